-- Write the fields of a hash that are missing.
-- KEYS  hash
-- ARGV  fields    names and values
-- Returns the number of fields written.
-- One step: of two programs that start together with different settings, one writes all fields. Runs past the memory
-- limit: a worker must be able to start in a full Redis, to free memory.
local written = 0
for i = 1, #ARGV, 2 do written = written + redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) end
return written
