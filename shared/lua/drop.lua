-- Drop a dead letter whose retention has ended, and count it.
-- KEYS  dead           sorted set of the group's dead letters, scored by dead_lettered_ms
--       data           hash of their records
--       fingerprint    sorted set of the dead letters of this fingerprint
--       fingerprints   hash: fingerprint → what its dead letters share
--       dropped        hash: group → number of dead letters dropped
-- ARGV  letter         its name
--       dead_lettered_ms  its score, as the caller read it
--       name           the fingerprint
--       group          the group that it belongs to
--       until_ms       dead letters of this time or earlier are too old; 0 for no age limit
--       most           dead letters that the group keeps, the newest; 0 for no limit
-- Returns 1 when dropped, 0 when it is gone, was dead-lettered again, or is within the limits again.
-- One step: every worker of the group does this; each dead letter must count once, and none within the limits may go.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
local is_over = ARGV[6] ~= '0' and redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[6])
if not is_over and tonumber(ARGV[2]) > tonumber(ARGV[5]) then return 0 end
-- When memory is full Redis refuses the count, but the dead letter must go all the same: that frees memory.
redis.pcall('HINCRBY', KEYS[5], ARGV[4], 1)
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('HDEL', KEYS[4], ARGV[3]) end
return 1
