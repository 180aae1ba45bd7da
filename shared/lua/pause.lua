-- Pause deliveries of a pattern to a group.
-- KEYS  paused  hash of the pauses
-- ARGV  field   group and pattern: a type, prefix.* or *
--       record  since when and why, JSON
-- Returns 1 when paused, 0 when it was paused before.
-- One step: only a script may write in a full Redis, where a pause is needed most.
return redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
