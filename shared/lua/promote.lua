-- Promote parked deliveries that are due: move them to their redelivery streams.
-- KEYS  delayed   sorted set of parked deliveries, scored by due time
--       data      hash of their stored fields
--       snoozed   sorted set of those that their handler snoozed
--       due       sorted set of groups, scored by when their earliest parked delivery is due
--       streams   redelivery streams that the members below go to
-- ARGV  now_ms    Unix ms; deliveries that are due later stay
--       later_ms  next due time of a delivery that its stream refuses
--       group     the group that they are parked for
--       members   for each: name of the parked delivery, number of its stream
-- Returns the number promoted, then name and error of each that was refused.
-- One step: between removal and XADD the delivery would be nowhere; one parked meanwhile must show in `due`.
local function add(stream, packed)
  local is_whole, fields = pcall(cmsgpack.unpack, packed)
  if not is_whole or type(fields) ~= 'table' then return {err = 'its stored fields are damaged'} end
  return redis.pcall('XADD', KEYS[stream], '*', unpack(fields))
end
local result = {0}
for i = 4, #ARGV, 2 do
  local due = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if due and tonumber(due) <= tonumber(ARGV[1]) then
    local packed = redis.call('HGET', KEYS[2], ARGV[i])
    -- Without fields (deleted by hand) there is nothing to deliver; the member must not hold up the others.
    local added = packed and add(4 + tonumber(ARGV[i + 1]), packed)
    if added and added.err then
      -- At the head of the queue it would block deliveries that can be promoted.
      redis.call('ZADD', KEYS[1], ARGV[2], ARGV[i])
      result[#result + 1], result[#result + 2] = ARGV[i], added.err
    else
      redis.call('ZREM', KEYS[1], ARGV[i])
      redis.call('HDEL', KEYS[2], ARGV[i])
      redis.pcall('ZREM', KEYS[3], ARGV[i])  -- for display: a key of another type must not stop the rest
      result[1] = result[1] + 1
    end
  end
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
redis.pcall('ZREM', KEYS[4], ARGV[3])
if first[1] then redis.pcall('ZADD', KEYS[4], first[2], ARGV[3]) end
return result
