-- Hasten a parked delivery: make it due now.
-- KEYS  delayed  sorted set of the group's parked deliveries, scored by due_ms
--       due      sorted set of groups, scored by their earliest due_ms
-- ARGV  member   name of the parked delivery
--       due_ms   its score, as the caller read it
--       now_ms   Unix ms
--       group    the group
-- Returns 1 when it is due now, 0 when it is gone, was parked again since the caller read it, or was due before.
-- One step: one that is promoted meanwhile would be parked a second time, without its fields.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] or tonumber(ARGV[2]) <= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.pcall('ZADD', KEYS[2], 'LT', ARGV[3], ARGV[4])  -- a key of another type must not stop it: workers look again
return 1
