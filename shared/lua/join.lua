-- Fix where a group starts, and create it on streams.
-- KEYS  groups    hash: group → stream id that it starts after
--       patterns  hash: group → the patterns that it subscribes to
--       streams   streams of events to create the group on
-- ARGV  group     the group that joins
--       start     stream id that a new group starts after
--       patterns  those that it subscribes to, "" for none
--       is_first  1 to replace stored patterns, as a worker does when it starts
--       future    for a group that gets no stored events: the first id in the future; "" for other groups
--       history   replication id of the server that the positions were read from: another server has other ids
--       positions for each stream the last id that the group has handled with all before it, "" for unknown
-- Returns the stream id that the group starts after, then for each stream: the id after which the group was created
--         there, 0 when it existed, {error} when the stream refuses a group.
-- One step: the start of a group and its creation on streams must agree. Runs past the memory limit: a worker must be
-- able to start in a full Redis, to free memory.
local is_born = redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 1
if ARGV[3] ~= '' then redis.call(ARGV[4] == '1' and 'HSET' or 'HSETNX', KEYS[2], ARGV[1], ARGV[3]) end
local result = {redis.call('HGET', KEYS[1], ARGV[1])}
local function last_since(i, id)
  local found = redis.pcall('XREVRANGE', KEYS[i], '+', id, 'COUNT', 1)
  return found[1] and found[1][1]
end
local function is_same_history()
  local found = redis.pcall('INFO', 'replication')  -- an error is a table
  return type(found) == 'string' and found:match('master_replid:(%w+)') == ARGV[6]
end
for i = 3, #KEYS do
  local start, position = result[1], ARGV[4 + i]
  -- A stream that ends before the position was created anew: none of it was handled.
  if position ~= '' and last_since(i, position) and is_same_history() then start = position end
  -- If Redis' clock was once ahead, stored events have ids in the future.
  if is_born and ARGV[5] ~= '' then start = last_since(i, ARGV[5]) or start end
  local made = redis.pcall('XGROUP', 'CREATE', KEYS[i], ARGV[1], start, 'MKSTREAM')
  local is_there = made.err and string.find(made.err, 'BUSYGROUP', 1, true)
  result[#result + 1] = is_there and 0 or made.err and {made.err} or start
end
return result
