-- Drop a dead letter for which its retention is over, and count it.
-- KEYS  dead           sorted set of the group's dead letters by time of death
--       data           hash of their records
--       fingerprint    sorted set of the letters of this fingerprint
--       fingerprints   hash of what the letters of a fingerprint share
--       dropped        hash: group → how many were dropped
-- ARGV  letter         its name
--       dead_lettered_ms  when it died, as the caller saw it
--       name           the fingerprint
--       group          whose letter it is
--       until_ms       letters that died by then are too old, 0 for none
--       most           letters of the group beyond which the oldest go, 0 for no limit
-- Returns 1 when dropped, 0 when it is gone, has died again, or is not one too many any more.
-- One step: every worker of the group does this; each letter must be counted once, and none go that may stay.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
local is_over = ARGV[6] ~= '0' and redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[6])
if not is_over and tonumber(ARGV[2]) > tonumber(ARGV[5]) then return 0 end
-- Without memory Redis refuses to count, and lets go of letters all the same: that makes room.
redis.pcall('HINCRBY', KEYS[5], ARGV[4], 1)
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('HDEL', KEYS[4], ARGV[3]) end
return 1
