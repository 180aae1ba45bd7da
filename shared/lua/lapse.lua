-- Delete the liveness key of a consumer whose process has ended, unless it was renewed a moment ago.
-- KEYS  alive      its liveness key
-- ARGV  at_most_ms longest remaining TTL of a key that was not renewed for long enough
-- Returns 1 when the key was deleted or is gone, 0 when it stays.
-- One step: a key that is renewed between the check and the deletion must stay.
local left = redis.call('PTTL', KEYS[1])
if left == -2 then return 1 end
if left == -1 or left > tonumber(ARGV[1]) then return 0 end
return redis.call('DEL', KEYS[1])
