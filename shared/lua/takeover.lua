-- Take over the deliveries that a dead consumer left pending.
-- KEYS  stream     where they were read
--       alive      liveness key of that consumer
--       deaths     hash: suspect → the quarantine processes that died of it
-- ARGV  group      consumer group
--       dead       the consumer believed dead
--       claimant   the consumer that takes over
--       count      most entries to claim that are no suspects
--       suspects   most suspects to claim
--       suspicion  times delivered before from which an entry is a suspect
--       looks      most entries to look at
--       death      what to note for each entry: the death of a quarantine process; "" for any other consumer
--       member     prefix that makes an entry id the name of a suspect
-- Returns a list of: entry id, times delivered before, deaths of quarantine processes ("" for none), fields and values.
-- One step: two claimants must not share an entry, nor blame one death twice, nor claim from a consumer that came back.
if redis.call('EXISTS', KEYS[2]) == 1 then return {} end
local taken, room = {}, {[false] = tonumber(ARGV[4]), [true] = tonumber(ARGV[5])}
for _, p in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[7], ARGV[2])) do
  local is_suspect = p[4] >= tonumber(ARGV[6])
  if room[is_suspect] > 0 then
    local member = ARGV[9] .. p[1]
    local deaths = redis.call('HGET', KEYS[3], member) or ''
    -- XCLAIM drops a pending entry whose event is gone from the stream, and returns nothing for it.
    local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, p[1])
    if claimed[1] then
      if ARGV[8] ~= '' then
        deaths = (deaths == '' and '' or deaths .. ' ') .. ARGV[8]
        redis.call('HSET', KEYS[3], member, deaths)
      end
      room[is_suspect] = room[is_suspect] - 1
      taken[#taken + 1] = {p[1], p[4], deaths, claimed[1][2]}
    end
  end
end
return taken
