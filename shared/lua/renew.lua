-- Show that a consumer lives, and who it is.
-- KEYS  alive      its liveness key
--       worked     hash of each group's last sign of life
--       consumers  hash of who works, for each of its groups
-- ARGV  consumer   who lives
--       ttl_ms     how long the sign holds
--       now_ms     Unix ms
--       groups     for each, in the order of KEYS: its name, and what the consumer says of itself there
-- Returns 1.
-- One step: a consumer that lives but is registered nowhere would have no heir, and one without a sign would have one.
redis.call('SET', KEYS[1], 1, 'PX', ARGV[2])
for i = 4, #ARGV, 2 do
  -- What a hash of one group refuses, as one of another type, ends nobody's life.
  redis.pcall('HSET', KEYS[2], ARGV[i], ARGV[3])
  redis.pcall('HSET', KEYS[i / 2 + 1], ARGV[1], ARGV[i + 1])
end
return 1
