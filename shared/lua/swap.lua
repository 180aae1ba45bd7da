-- Compare and set what suspends a subscription.
-- KEYS  suspended  hash of the suspended subscriptions
-- ARGV  field      group and pattern of the subscription
--       seen       the state that the caller read, "" for none
--       value      the new state, "" to delete it
-- Returns 1 when changed, 0 when another worker was first.
-- One step: of all workers that find a probe due, only one may let a delivery through.
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
