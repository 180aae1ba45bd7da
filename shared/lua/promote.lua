-- Put parked deliveries that are due into their redelivery streams.
-- KEYS  delayed   sorted set of waiting retries
--       data      hash of their stored fields
--       streams   redelivery streams that the members below go to
-- ARGV  now_ms    Unix ms; what is not due stays
--       later_ms  when one is due anew whose stream refuses it
--       members   for each: name of the parked delivery, number of its stream
-- Returns how many were promoted, then for each that was refused its name and why.
-- One step: between a removal and an add the delivery would be nowhere.
local function add(stream, packed)
  local is_whole, fields = pcall(cmsgpack.unpack, packed)
  if not is_whole or type(fields) ~= 'table' then return {err = 'its stored fields are damaged'} end
  return redis.pcall('XADD', KEYS[stream], '*', unpack(fields))
end
local result = {0}
for i = 3, #ARGV, 2 do
  local due = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if due and tonumber(due) <= tonumber(ARGV[1]) then
    local packed = redis.call('HGET', KEYS[2], ARGV[i])
    -- Deleted by hand: nothing is left to deliver, and it must not hold up the others.
    local added = packed and add(2 + tonumber(ARGV[i + 1]), packed)
    if added and added.err then
      -- At the head of the queue it would be in the way of those that can go.
      redis.call('ZADD', KEYS[1], ARGV[2], ARGV[i])
      result[#result + 1], result[#result + 2] = ARGV[i], added.err
    else
      redis.call('ZREM', KEYS[1], ARGV[i])
      redis.call('HDEL', KEYS[2], ARGV[i])
      result[1] = result[1] + 1
    end
  end
end
return result
