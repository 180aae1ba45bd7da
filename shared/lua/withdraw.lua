-- Withdraw a redelivery that no consumer has received: make it a dead letter.
-- KEYS  stream         redelivery stream of the group
--       dead           sorted set of the group's dead letters, scored by dead_lettered_ms
--       data           hash of their records
--       fingerprint    sorted set of the dead letters of this fingerprint
--       fingerprints   hash: fingerprint → what its dead letters share
--       redeliveries   set of the redelivery streams that exist
-- ARGV  group          the group
--       consumer       "": it is pending for none
--       entry          entry id
--       listed         the member of its stream in `redeliveries`
--       letter         name of the dead letter: its webhook-id
--       dead_lettered_ms  Unix ms
--       record         msgpack of the dead letter
--       name           the fingerprint
--       shared         msgpack of what its dead letters share
-- Returns 1 when withdrawn, 0 when the redelivery is gone or pending.
-- One step: if a worker begins to read the stream meanwhile, there is either a redelivery or a dead letter, never both.
if #redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3]) == 0 then return 0 end
local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
if not held.err and #held > 0 then return 0 end
redis.call('SCARD', KEYS[6])  -- a key of another type fails here, before anything is written
put_letter(2, 5, '~' .. ARGV[3])
return settle()
