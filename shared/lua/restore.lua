-- Put an exported dead letter back, unless a letter of that name is there.
-- KEYS  dead           sorted set of the group's dead letters by time of death
--       data           hash of their records
--       fingerprint    sorted set of the letters of this fingerprint
--       fingerprints   hash of what the letters of a fingerprint share
-- ARGV  letter         its name
--       dead_lettered_ms  Unix ms
--       record         msgpack of the letter
--       name           the fingerprint
--       shared         msgpack of what its letters share
-- Returns 1 when restored, 0 when it was there.
-- One step: two imports of one file at once must not disagree about who was first.
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[3]) == 0 then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[4], ARGV[4], ARGV[5])
return 1
