-- Remove a dead letter: redrive it when a stream is given, else discard it: delete it for good, and count it.
-- KEYS  dead           sorted set of the group's dead letters, scored by dead_lettered_ms
--       data           hash of their records
--       fingerprint    sorted set of the dead letters of this fingerprint
--       fingerprints   hash: fingerprint → what its dead letters share
--       types          set of event types (redrive), or hash: group → number of dead letters discarded (discard)
--       stream         redelivery stream of its group (redrive only)
--       redeliveries   set of the redelivery streams that exist (redrive only)
-- ARGV  letter         its name
--       dead_lettered_ms  its score, as the caller read it
--       name           the fingerprint
--       group          the group
--       type           of the event (redrive only)
--       fields         fields and values of the redelivery (redrive only)
-- Returns 1 when removed, 0 when it is gone or was dead-lettered again since the caller read it.
-- One step: the dead letter is never in two places, nor in none; and no key of a deleted group reappears.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
if KEYS[6] then
  redis.call('SCARD', KEYS[7])  -- a key of another type fails here, before anything is moved
  -- Workers with wildcards discover new types there.
  redis.call('SADD', KEYS[5], ARGV[5])
  -- With the group on it, the stream counts as backlog even while no worker runs.
  local made = redis.pcall('XGROUP', 'CREATE', KEYS[6], ARGV[4], '0', 'MKSTREAM')
  if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return made end
  redis.call('XADD', KEYS[6], '*', unpack(ARGV, 6))
  redis.call('SADD', KEYS[7], ARGV[4] .. '|' .. ARGV[5])
else
  -- When memory is full Redis refuses the count, but the dead letter must go all the same: that frees memory. Of a user
  -- who may not count nothing is taken, so that no discard goes unseen.
  local counted = redis.pcall('HINCRBY', KEYS[5], ARGV[4], 1)
  local refused = type(counted) == 'table' and counted.err
  if refused and not (string.find(refused, 'OOM', 1, true) or string.find(refused, 'WRONGTYPE', 1, true)) then
    return counted
  end
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('HDEL', KEYS[4], ARGV[3]) end
return 1
