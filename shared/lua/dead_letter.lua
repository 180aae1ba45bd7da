-- Make a dead letter of a delivery.
-- KEYS  stream         where the entry was read
--       dead           sorted set of this group's dead letters by time of death
--       data           hash of their records
--       fingerprint    sorted set of the letters of this fingerprint
--       fingerprints   hash of what the letters of a fingerprint share
--       deaths         hash of the deaths that are surely a suspect's own
-- ARGV  group          consumer group that owns the delivery
--       consumer       who ran it
--       entry          entry id
--       own            1 when the stream is this group's alone, so that the entry can go
--       letter         name of the letter: its webhook-id
--       dead_lettered_ms  Unix ms
--       record         msgpack of the letter
--       name           the fingerprint
--       shared         msgpack of what its letters share
--       member         name that it may have among the suspects
-- Returns 1 when buried, 0 when someone else settled or took the entry first.
-- One step: an ack without a letter loses the event, a letter without an ack makes two.
local mine = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if #mine == 0 then return 0 end
-- First, as Redis undoes nothing of a script that fails: each further try would leave a letter under another name.
redis.call('ZCARD', KEYS[2])
redis.call('ZCARD', KEYS[4])
redis.call('HEXISTS', KEYS[5], ARGV[8])
redis.call('HEXISTS', KEYS[6], ARGV[10])
local letter = ARGV[5]
-- The same webhook-id can die again: replayed, or sent by two sources. Both letters are kept.
while redis.call('HEXISTS', KEYS[3], letter) == 1 do letter = letter .. '~' .. ARGV[3] end
redis.call('HSET', KEYS[3], letter, ARGV[7])
redis.call('ZADD', KEYS[2], ARGV[6], letter)
redis.call('ZADD', KEYS[4], ARGV[6], letter)
redis.call('HSET', KEYS[5], ARGV[8], ARGV[9])
redis.call('HDEL', KEYS[6], ARGV[10])
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
if ARGV[4] == '1' then redis.call('XDEL', KEYS[1], ARGV[3]) end
return 1
