-- Hand over the deliveries that a stopping consumer could not finish to the other consumers.
-- KEYS  stream     where they were read
--       consumers  hash of the group's consumers
-- ARGV  group      consumer group
--       consumer   the consumer that stops
--       handover   name of a consumer that is never alive, from which the others take over
--       count      most entries to release
-- Returns the number released.
-- One step: no takeover finds entries under a name that is not in the hash.
local released = 0
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])
-- HSET first: Redis does not roll back a script that fails.
if #pending > 0 then redis.call('HSET', KEYS[2], ARGV[3], '{}') end
for _, p in ipairs(pending) do
  -- One delivery less: a stop is not a death, so the takeover must not count it towards a suspect.
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, p[1], 'RETRYCOUNT', p[4] - 1, 'JUSTID')
  released = released + 1
end
return released
