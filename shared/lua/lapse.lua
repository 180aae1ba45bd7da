-- End the sign of life of a consumer whose process has ended, unless it was renewed a moment ago.
-- KEYS  alive      its liveness key
-- ARGV  at_most_ms what is left of a sign that was not renewed for long enough
-- Returns 1 when the sign is ended or was gone, 0 when it stands.
-- One step: a sign that is renewed between the look and the end must stand.
local left = redis.call('PTTL', KEYS[1])
if left == -2 then return 1 end
if left == -1 or left > tonumber(ARGV[1]) then return 0 end
return redis.call('DEL', KEYS[1])
