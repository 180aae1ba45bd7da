-- Take over the deliveries that a dead consumer left pending.
-- KEYS  stream     where they were read
--       alive      liveness key of that consumer
--       started    hash: consumer → the suspect that it runs alone
--       deaths     hash: suspect → the deaths that it certainly caused
-- ARGV  group      consumer group
--       dead       the consumer believed dead
--       claimant   the consumer that takes over
--       count      most entries to claim
--       member     prefix that makes an entry id the name of a suspect
--       now_ms     Unix ms
-- Returns a list of: entry id, times delivered before, deaths it certainly caused ("" for none), fields and values.
-- One step: two claimants must not share an entry, nor blame one death twice, nor claim from a consumer that came back.
if redis.call('EXISTS', KEYS[2]) == 1 then return {} end
local taken, blamed = {}, redis.call('HGET', KEYS[3], ARGV[2])
for _, p in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])) do
  local member = ARGV[5] .. p[1]
  if blamed == member then
    local before = redis.call('HGET', KEYS[4], member)
    redis.call('HSET', KEYS[4], member, (before and before .. ' ' or '') .. ARGV[2] .. '@' .. ARGV[6])
    redis.call('HDEL', KEYS[3], ARGV[2])
  end
  -- XCLAIM drops a pending entry whose event is gone from the stream, and returns nothing for it.
  local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, p[1])
  if claimed[1] then
    taken[#taken + 1] = {p[1], p[4], redis.call('HGET', KEYS[4], member) or '', claimed[1][2]}
  end
end
return taken
