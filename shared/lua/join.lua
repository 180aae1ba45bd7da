-- Have a group know where it starts, and give it a place on streams.
-- KEYS  groups    hash: group → stream id that it starts after
--       patterns  hash: group → what it subscribes to
--       streams   where it must have a place: one of events and one of its redeliveries, in turn
-- ARGV  group     who joins
--       start     stream id that it starts after, unless it was born before
--       told      patterns, "" for none
--       is_first  1 when these patterns take the place of others, as those of a worker that starts
--       positions for each stream of events the id up to which the group is known to have handled all, "" for unknown
-- Returns the stream id that it starts after, then for each stream 1 where its place was made now, 0 where it was there,
--         and where that stream refuses one, why.
-- One step: the start of a group and its first places must not fall apart. Goes past the memory limit: a worker must be
-- able to start in a full Redis, to make room.
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
if ARGV[3] ~= '' then redis.call(ARGV[4] == '1' and 'HSET' or 'HSETNX', KEYS[2], ARGV[1], ARGV[3]) end
local result = {redis.call('HGET', KEYS[1], ARGV[1])}
for i = 3, #KEYS do
  -- Redeliveries are all the group's own.
  local start, position = i % 2 == 1 and result[1] or '0', i % 2 == 1 and ARGV[4 + (i - 1) / 2] or ''
  -- A stream that ends before the position is another one, and none of it was handled.
  if position ~= '' and #redis.pcall('XREVRANGE', KEYS[i], '+', position, 'COUNT', 1) > 0 then start = position end
  local made = redis.pcall('XGROUP', 'CREATE', KEYS[i], ARGV[1], start, 'MKSTREAM')
  local is_there = made.err and string.find(made.err, 'BUSYGROUP', 1, true)
  result[#result + 1] = is_there and 0 or made.err or 1
end
return result
