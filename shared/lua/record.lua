-- Record that an action begins, or, in place of that, how it ended.
-- KEYS  audit   stream of actions
-- ARGV  kept    how many of the last ones are kept, at least
--       record  the action, JSON
--       begun   id of the record of its beginning, "" when it begins
-- Returns the id of the new record.
-- One step: a tool killed between two writes would leave the action twice, or not at all. Runs past the memory limit:
-- an action must be possible in a full Redis, to free memory.
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'action', ARGV[2])
if ARGV[3] ~= '' then redis.call('XDEL', KEYS[1], ARGV[3]) end
return id
