-- Replace the record of an ingest process, if there is one.
-- KEYS  ingests  hash of ingest processes
-- ARGV  name     of the process
--       record   the new record
-- Returns 1, or 0 when there was none.
-- One step: another process may remove the record of one that was silent, and a nearly full Redis takes no new one. Runs
-- past the memory limit: a record of the same size takes no memory.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
