-- Take or renew the lease on the chores of a shard.
-- KEYS  chores    the lease
-- ARGV  consumer  who asks
--       ttl_ms    how long it lasts
-- Returns 0 when the caller holds it, else for how many ms another does.
-- One step: between the look and the write another consumer could take it.
local holder = redis.call('MGET', KEYS[1])[1]
local left_ms = redis.call('PTTL', KEYS[1])
if holder and holder ~= ARGV[1] and left_ms > 0 then return left_ms end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 0
