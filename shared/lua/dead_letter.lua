-- Move a delivery to the dead letters of its group.
-- KEYS  stream         where the entry was read
--       dead           sorted set of this group's dead letters, scored by dead_lettered_ms
--       data           hash of their records
--       fingerprint    sorted set of the dead letters of this fingerprint
--       fingerprints   hash: fingerprint → what its dead letters share
--       deaths         hash: suspect → the deaths that it certainly caused
--       redeliveries   set of the redelivery streams that exist
-- ARGV  group          consumer group that owns the delivery
--       consumer       the consumer that ran it
--       entry          entry id
--       listed         of a redelivery, the member of its stream in `redeliveries`; "" for an event
--       letter         name of the dead letter: its webhook-id
--       dead_lettered_ms  Unix ms
--       record         msgpack of the dead letter
--       name           the fingerprint
--       shared         msgpack of what its dead letters share
--       member         name of the delivery if it is a suspect
-- Returns 1 when dead-lettered, 0 when another consumer settled or claimed the entry first.
-- One step: an ack without a dead letter loses the event; a dead letter without an ack doubles it.
local mine = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if #mine == 0 then return 0 end
-- Check types first: Redis does not roll back a failed script, so each retry would add a dead letter with a new name.
redis.call('ZCARD', KEYS[2])
redis.call('ZCARD', KEYS[4])
redis.call('HEXISTS', KEYS[5], ARGV[8])
redis.call('HEXISTS', KEYS[6], ARGV[10])
local letter = ARGV[5]
-- The same webhook-id can be dead-lettered again: replayed, or sent by two sources. Both dead letters are kept.
while redis.call('HEXISTS', KEYS[3], letter) == 1 do letter = letter .. '~' .. ARGV[3] end
redis.call('HSET', KEYS[3], letter, ARGV[7])
redis.call('ZADD', KEYS[2], ARGV[6], letter)
redis.call('ZADD', KEYS[4], ARGV[6], letter)
redis.call('HSET', KEYS[5], ARGV[8], ARGV[9])
redis.call('HDEL', KEYS[6], ARGV[10])
return settle()
