-- Renew a consumer's liveness key and its registration in its groups.
-- KEYS  alive      its liveness key
--       worked     hash of each group's last sign of life
--       consumers  hash of the consumers of each of its groups
-- ARGV  consumer   the consumer that is alive
--       ttl_ms     lifetime of the key
--       now_ms     Unix ms
--       groups     for each, in the order of KEYS: its name, and the consumer's record there
-- Returns 1.
-- One step: deliveries of a consumer that dies unregistered are never taken over; those of one that is registered
-- without a liveness key are taken over while it is alive.
redis.call('SET', KEYS[1], 1, 'PX', ARGV[2])
for i = 4, #ARGV, 2 do
  -- A hash that refuses the write, such as a key of another type, must not cost the consumer its liveness key.
  redis.pcall('HSET', KEYS[2], ARGV[i], ARGV[3])
  redis.pcall('HSET', KEYS[i / 2 + 1], ARGV[1], ARGV[i + 1])
end
return 1
