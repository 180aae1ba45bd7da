-- Have a group know where it starts, and give it a place on streams.
-- KEYS  groups    hash: group → stream id that it starts after
--       patterns  hash: group → what it subscribes to
--       streams   where it must have a place: one of events and one of its redeliveries, in turn
-- ARGV  group     who joins
--       start     stream id that it starts after, unless it was born before
--       told      patterns, "" for none
--       is_first  1 when these patterns take the place of others, as those of a worker that starts
--       future    for a group that gets nothing of what is stored already: the first id of the future; "" for others
--       history   replication id of the server that the positions were seen on: another server has other ids
--       positions for each stream of events the id up to which the group is known to have handled all, "" for unknown
-- Returns the stream id that it starts after, then for each stream the id after which its place was made now, 0 where it
--         was there, and {why} where that stream refuses one.
-- One step: the start of a group and its first places must not fall apart. Goes past the memory limit: a worker must be
-- able to start in a full Redis, to make room.
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
  local is_own = i % 2 == 0
  -- Redeliveries are all the group's own.
  local start, position = is_own and '0' or result[1], is_own and '' or ARGV[6 + (i - 1) / 2]
  -- A stream that ends before the position is another one, and none of it was handled.
  if position ~= '' and last_since(i, position) and is_same_history() then start = position end
  -- Where Redis' clock was ahead once, what is stored already has ids of the future.
  if is_born and ARGV[5] ~= '' and not is_own then start = last_since(i, ARGV[5]) or start end
  local made = redis.pcall('XGROUP', 'CREATE', KEYS[i], ARGV[1], start, 'MKSTREAM')
  local is_there = made.err and string.find(made.err, 'BUSYGROUP', 1, true)
  result[#result + 1] = is_there and 0 or made.err and {made.err} or start
end
return result
