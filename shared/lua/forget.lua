-- Drop keys and hash fields of a group, unless one of its consumers lives.
-- KEYS  consumers  hash of the group's consumers
--       alive      liveness keys of those that the caller knows
--       whole      keys to drop
--       hashes     hashes to drop a field of
-- ARGV  known      number of consumers that the caller knows, then their names
--       whole      number of keys to drop
--       fields     for each hash, its field
-- Returns 1 when dropped, 0 when a consumer lives, or has come that the caller does not know.
-- One step: a consumer that starts meanwhile must find all of it, or nothing.
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
for i = count + whole + 2, #KEYS do redis.call('HDEL', KEYS[i], ARGV[i - whole + 1]) end
return 1
