-- Change what is known of a breaker, if it is still what the caller saw.
-- KEYS  breakers  hash of a group's open breakers
-- ARGV  pattern   the subscription
--       seen      what the caller saw, "" for nothing
--       value     what it becomes, "" for nothing
-- Returns 1 when changed, 0 when another worker was first.
-- One step: of all the workers that see it is time, only one may let a delivery try.
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
