-- Leave what a stopping consumer could not finish to the others.
-- KEYS  stream     where it was read
--       consumers  hash of the group's consumers
-- ARGV  group      consumer group
--       consumer   who stops
--       handover   consumer that never lives, from which the others take over
--       count      most entries to release
-- Returns how many were released.
-- One step: entries under a name that is not in the hash would be found by nobody.
local released = 0
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])
-- First, as Redis undoes nothing of a script that fails.
if #pending > 0 then redis.call('HSET', KEYS[2], ARGV[3], '{}') end
for _, p in ipairs(pending) do
  -- One delivery less: a stop is not a death, so the takeover must not raise suspicion.
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, p[1], 'RETRYCOUNT', p[4] - 1, 'JUSTID')
  released = released + 1
end
return released
