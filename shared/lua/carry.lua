-- Move a field of a hash to its place in a newer layout.
-- KEYS  old       hash that holds it
--       new       hash that gets it
-- ARGV  field     its name in the old hash
--       stored    its value there, as the caller read it
--       name      its name in the new hash
--       value     its value there, "" to drop it
-- Returns 1 when moved, 0 when another process has moved it.
-- One step: a process that lags behind must not bring back what another one has moved and a worker has removed since.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HEXISTS', KEYS[2], ARGV[3])  -- a key of another type fails here, before anything is removed
redis.call('HDEL', KEYS[1], ARGV[1])
if ARGV[4] ~= '' then redis.call('HSETNX', KEYS[2], ARGV[3], ARGV[4]) end
return 1
