-- Begin the migration of the data to a newer layout.
-- KEYS  meta      hash: layout, shards, and while data are being moved `migrating`, their old layout
-- ARGV  from      layout that the data have
--       to        layout that they get
-- Returns 1 when begun, 0 when another process has begun it.
-- One step: a process that lags behind must not begin again what another one has finished; and without `migrating` a
-- program would take half-moved data for whole ones.
if redis.call('HGET', KEYS[1], 'layout') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'layout', ARGV[2], 'migrating', ARGV[1])
return 1
