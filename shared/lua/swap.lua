-- Compare and set the state of a circuit breaker.
-- KEYS  breakers  hash of a group's open breakers
-- ARGV  pattern   the subscription
--       seen      the state that the caller read, "" for none
--       value     the new state, "" to delete it
-- Returns 1 when changed, 0 when another worker was first.
-- One step: of all workers that find a probe due, only one may let a delivery through.
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
