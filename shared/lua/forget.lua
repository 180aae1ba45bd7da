-- Delete keys of a group, and what hashes and sets hold of it, unless one of its consumers is alive.
-- KEYS  consumers  hash of the group's consumers
--       alive      liveness keys of the consumers in ARGV
--       whole      keys to delete
--       parts      hashes and sets to delete one field or member of each
-- ARGV  known      number of consumers that the caller has checked, then their names
--       whole      number of keys to delete
--       fields     for each of them, the field or member
-- Returns 1 when deleted, 0 when a consumer is alive, or the group has one that is not in ARGV.
-- One step: a consumer that starts meanwhile must find all of the group's keys, or none.
local count = tonumber(ARGV[1])
local known = {}
for i = 1, count do
  if redis.call('EXISTS', KEYS[1 + i]) == 1 then return 0 end
  known[ARGV[1 + i]] = true
end
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if not known[name] then return 0 end
end
local whole = tonumber(ARGV[count + 2])
for i = 1, whole do redis.call('UNLINK', KEYS[1 + count + i]) end
for i = count + whole + 2, #KEYS do
  local done = redis.pcall('HDEL', KEYS[i], ARGV[i - whole + 1])
  -- Refused for a set, which has the other type; what both refuse is an error.
  if type(done) == 'table' then redis.call('SREM', KEYS[i], ARGV[i - whole + 1]) end
end
return 1
