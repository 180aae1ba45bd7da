-- Hand over deliveries that a consumer cannot finish, or not begin, to the other consumers.
-- KEYS  stream     where they were read
--       consumers  hash of the group's consumers
--       expiries   sorted set in which takeovers look for whom to ask about
-- ARGV  group      consumer group
--       consumer   the consumer that they are pending for
--       handover   name of a consumer that is never alive, from which the others take over
--       count      most entries to release
--       now_ms     Unix ms
--       entries    ids of those to release; none for all
-- Returns the number released.
-- One step: no takeover finds entries under a name that is not in the hash.
local pending = {}
if #ARGV == 5 then pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2]) end
for i = 6, #ARGV do
  -- Nothing if it was settled, or taken over, in the meantime.
  pending[#pending + 1] = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])[1]
end
-- HSET first: Redis does not roll back a script that fails.
if #pending > 0 then
  redis.call('HSET', KEYS[2], ARGV[3], '{}')
  redis.pcall('ZADD', KEYS[3], ARGV[5], ARGV[1] .. '|' .. ARGV[3])  -- a hint
end
for _, p in ipairs(pending) do
  -- One delivery less: no death and no attempt, so the takeover must not count it towards a suspect.
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, p[1], 'RETRYCOUNT', p[4] - 1, 'JUSTID')
end
return #pending
