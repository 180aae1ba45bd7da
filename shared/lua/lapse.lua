-- End the liveness key of a consumer whose process has ended, unless it was renewed a moment ago.
-- KEYS  alive      its liveness key
--       expiries   sorted set of when each expires
-- ARGV  at_most_ms longest remaining TTL of a key that was not renewed for long enough
--       consumer   the consumer
--       now_ms     Unix ms
-- Returns 1 when the key was deleted or is gone, 0 when it stays.
-- One step: a key that is renewed between the check and the deletion must stay.
local left = redis.call('PTTL', KEYS[1])
if left == -1 or left > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
redis.pcall('ZADD', KEYS[2], 'XX', 'LT', ARGV[3], ARGV[2])  -- a hint
return 1
