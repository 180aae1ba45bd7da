-- Move a suspect from the worker that took it over to a quarantine process.
-- KEYS  stream    where the entry was read
-- ARGV  group     consumer group
--       owner     the worker that it is pending for
--       consumer  the quarantine process
--       entry     entry id
-- Returns times delivered and fields; false when it is pending for neither, or its event is gone.
-- One step: between the check and the claim another consumer might take it over, and both would run it.
local found = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[4], ARGV[4], 1)[1]
-- It is pending for the quarantine process already if the reply of this step was lost.
if not found or (found[2] ~= ARGV[2] and found[2] ~= ARGV[3]) then return false end
-- The same count: the move is no death.
local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, ARGV[4], 'RETRYCOUNT', found[4])
return claimed[1] and {found[4], claimed[1][2]}
