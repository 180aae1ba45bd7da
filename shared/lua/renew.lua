-- Show that a consumer lives, and who it is.
-- KEYS  alive      its liveness key
--       worked     hash of each group's last sign of life
--       consumers  hash of who works, for each of its groups
-- ARGV  consumer   who lives
--       ttl_ms     how long the sign holds
--       now_ms     Unix ms
--       info       what it says of itself
--       groups     names of its groups, in the order of KEYS
-- Returns 1.
-- One step: a consumer that lives but is registered nowhere would have no heir, and one without a sign would have one.
redis.call('SET', KEYS[1], 1, 'PX', ARGV[2])
for i = 5, #ARGV do
  -- What a hash of one group refuses, as one of another type, ends nobody's life.
  redis.pcall('HSET', KEYS[2], ARGV[i], ARGV[3])
  redis.pcall('HSET', KEYS[i - 2], ARGV[1], ARGV[4])
end
return 1
