-- Add to the statistics of a minute and of its hour.
-- KEYS  minute  hash of the minute
--       hour    hash of the hour
-- ARGV  minute  how long the minute is kept, seconds
--       hour    how long the hour is kept, seconds
--       pairs   name of a figure, and how much it grew
-- Returns 1.
-- One step: a hash that was added to and never expires would stay for ever. The first EXPIRE is for a user that may not
-- call it: then nothing is added.
for i = 1, 2 do
  redis.call('EXPIRE', KEYS[i], ARGV[i])
  for j = 3, #ARGV, 2 do redis.call('HINCRBY', KEYS[i], ARGV[j], ARGV[j + 1]) end
  redis.call('EXPIRE', KEYS[i], ARGV[i])
end
return 1
