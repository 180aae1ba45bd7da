-- Make a dead letter of a redelivery that nobody has been given.
-- KEYS  stream         redelivery stream of the group
--       dead           sorted set of the group's dead letters by time of death
--       data           hash of their records
--       fingerprint    sorted set of the letters of this fingerprint
--       fingerprints   hash of what the letters of a fingerprint share
-- ARGV  group          the group
--       entry          entry id
--       letter         name of the letter: its webhook-id
--       dead_lettered_ms  Unix ms
--       record         msgpack of the letter
--       name           the fingerprint
--       shared         msgpack of what its letters share
-- Returns 1 when recalled, 0 when it is gone or in somebody's hands.
-- One step: a worker that begins to read the stream meanwhile gets the redelivery, or the letter is there, never both.
if #redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2]) == 0 then return 0 end
local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)
if not held.err and #held > 0 then return 0 end
local letter = ARGV[3]
-- As when it died: the letters of one webhook-id are all kept.
while redis.call('HEXISTS', KEYS[3], letter) == 1 do letter = letter .. '~' .. ARGV[2] end
redis.call('HSET', KEYS[3], letter, ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[4], letter)
redis.call('ZADD', KEYS[4], ARGV[4], letter)
redis.call('HSET', KEYS[5], ARGV[6], ARGV[7])
redis.call('XDEL', KEYS[1], ARGV[2])
return 1
