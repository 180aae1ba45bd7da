-- Take a letter out of the dead letters: to go round again when a stream is given, else for good.
-- KEYS  dead           sorted set of the group's dead letters by time of death
--       data           hash of their records
--       fingerprint    sorted set of the letters of this fingerprint
--       fingerprints   hash of what the letters of a fingerprint share
--       types          set of event types (redrive only)
--       stream         redelivery stream of the group it died in (redrive only)
-- ARGV  letter         its name
--       dead_lettered_ms  when it died, as the caller saw it
--       name           the fingerprint
--       type           of the event (redrive only)
--       group          the group (redrive only)
--       fields         fields and values of the redelivery (redrive only)
-- Returns 1 when moved, 0 when it is gone or has died again since the caller looked.
-- One step: at no moment is the letter in two places, or in none; and where a group was forgotten nothing comes up.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
if KEYS[6] then
  -- Workers with wildcards look there for types that they do not know.
  redis.call('SADD', KEYS[5], ARGV[4])
  -- With the group on it, it is backlog though no worker runs. Where it is, this fails, and that is well.
  redis.pcall('XGROUP', 'CREATE', KEYS[6], ARGV[5], '0', 'MKSTREAM')
  redis.call('XADD', KEYS[6], '*', unpack(ARGV, 6))
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('HDEL', KEYS[4], ARGV[3]) end
return 1
