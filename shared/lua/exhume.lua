-- Take a letter out of the dead letters: to go round again when a stream is given, else for good.
-- KEYS  dead           sorted set of the group's dead letters by time of death
--       data           hash of their records
--       fingerprint    sorted set of the letters of this fingerprint
--       fingerprints   hash of what the letters of a fingerprint share
--       stream         redelivery stream of the group it died in (redrive only)
-- ARGV  letter         its name
--       died_ms        when it died, as the caller saw it
--       name           the fingerprint
--       fields         fields and values of the redelivery (redrive only)
-- Returns 1 when moved, 0 when it is gone or has died again since the caller looked.
-- One step: at no moment is the letter in two places, or in none.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
if KEYS[5] then redis.call('XADD', KEYS[5], '*', unpack(ARGV, 4)) end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('HDEL', KEYS[4], ARGV[3]) end
return 1
