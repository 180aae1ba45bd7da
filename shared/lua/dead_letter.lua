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
redis.call('HEXISTS', KEYS[6], ARGV[10])  -- a key of another type fails here, before anything is written
put_letter(2, 5, '~' .. ARGV[3])
redis.call('HDEL', KEYS[6], ARGV[10])
return settle()
