-- Remove a dead consumer, once it has no pending entries.
-- KEYS  consumers  hash of the group's consumers
--       alive      liveness key of the consumer
--       streams    every stream that the group may read
-- ARGV  group      consumer group
--       consumer   the dead consumer
-- Returns 1 when removed, 0 when it is alive or still has pending entries.
-- One step: XGROUP DELCONSUMER drops pending entries, so none may appear after the check.
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
for i = 3, #KEYS do
  local pending = redis.pcall('XPENDING', KEYS[i], ARGV[1], '-', '+', 1, ARGV[2])
  if not pending.err and #pending > 0 then return 0 end
end
for i = 3, #KEYS do
  redis.pcall('XGROUP', 'DELCONSUMER', KEYS[i], ARGV[1], ARGV[2])
end
redis.call('HDEL', KEYS[1], ARGV[2])
return 1
