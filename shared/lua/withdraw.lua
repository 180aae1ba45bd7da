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
-- A key of another type fails here, before anything is written.
redis.call('ZCARD', KEYS[2])
redis.call('ZCARD', KEYS[4])
redis.call('HEXISTS', KEYS[5], ARGV[8])
redis.call('SCARD', KEYS[6])
local letter = ARGV[5]
-- As in `dead_letter`: all dead letters of one webhook-id are kept.
while redis.call('HEXISTS', KEYS[3], letter) == 1 do letter = letter .. '~' .. ARGV[3] end
redis.call('HSET', KEYS[3], letter, ARGV[7])
redis.call('ZADD', KEYS[2], ARGV[6], letter)
redis.call('ZADD', KEYS[4], ARGV[6], letter)
redis.call('HSET', KEYS[5], ARGV[8], ARGV[9])
return settle()
