-- Take over deliveries that a dead consumer left pending.
-- KEYS  stream     where they were read
--       alive      liveness key of that consumer
--       started    hash of the suspect that each consumer runs alone
--       deaths     hash of the deaths that are surely a suspect's own
-- ARGV  group      consumer group
--       dead       the consumer believed dead
--       heir       the consumer that takes over
--       count      most entries to take
--       member     prefix that makes a suspect's name of an entry id
--       now_ms     Unix ms
-- Returns a list: entry id, times delivered before, own deaths ("" for none), fields and values.
-- One step: two heirs must not share an entry, nor blame one death twice, nor rob a consumer that came back.
if redis.call('EXISTS', KEYS[2]) == 1 then return {} end
local taken, blamed = {}, redis.call('HGET', KEYS[3], ARGV[2])
for _, p in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])) do
  local member = ARGV[5] .. p[1]
  if blamed == member then
    local before = redis.call('HGET', KEYS[4], member)
    redis.call('HSET', KEYS[4], member, (before and before .. ' ' or '') .. ARGV[2] .. '@' .. ARGV[6])
    redis.call('HDEL', KEYS[3], ARGV[2])
  end
  -- XCLAIM drops a pending entry whose event is gone from the stream and returns nothing for it.
  local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, p[1])
  if claimed[1] then
    taken[#taken + 1] = {p[1], p[4], redis.call('HGET', KEYS[4], member) or '', claimed[1][2]}
  end
end
return taken
