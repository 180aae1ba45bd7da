-- Put parked deliveries that are due into their redelivery streams.
-- KEYS  delayed   sorted set of waiting retries
--       data      hash of their stored fields
--       streams   redelivery streams that the members below go to
-- ARGV  now_ms    Unix ms; what is not due stays
--       members   for each: name of the parked delivery, number of its stream
-- Returns how many were promoted.
-- One step: between a removal and an add the delivery would be nowhere.
local promoted = 0
for i = 2, #ARGV, 2 do
  local due = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if due and tonumber(due) <= tonumber(ARGV[1]) then
    local packed = redis.call('HGET', KEYS[2], ARGV[i])
    -- Deleted by hand: nothing is left to deliver, and it must not hold up the others.
    if packed then redis.call('XADD', KEYS[2 + tonumber(ARGV[i + 1])], '*', unpack(cmsgpack.unpack(packed))) end
    redis.call('ZREM', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
    promoted = promoted + 1
  end
end
return promoted
