-- Withdraw a parked delivery: make it a dead letter.
-- KEYS  delayed        sorted set of the group's parked deliveries, scored by due_ms
--       parked         hash of their stored fields
--       snoozed        sorted set of those that their handler snoozed
--       dead           sorted set of the group's dead letters, scored by dead_lettered_ms
--       data           hash of their records
--       fingerprint    sorted set of the dead letters of this fingerprint
--       fingerprints   hash: fingerprint → what its dead letters share
-- ARGV  member         name of the parked delivery
--       due_ms         its score, as the caller read it
--       letter         name of the dead letter: its webhook-id
--       dead_lettered_ms  Unix ms
--       record         msgpack of the dead letter
--       name           the fingerprint
--       shared         msgpack of what its dead letters share
-- Returns 1 when withdrawn, 0 when it is gone, or was parked again since the caller read it.
-- One step: a delivery that is promoted meanwhile would be redelivered and dead at once.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
put_letter(4, 3, '~' .. ARGV[4] .. '-0')
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.pcall('ZREM', KEYS[3], ARGV[1])  -- for display: a key of another type must not stop the rest
return 1
