-- Promote parked deliveries that are due: move them to their redelivery streams.
-- KEYS  delayed       sorted set of parked deliveries, scored by due time
--       data          hash of their stored fields
--       snoozed       sorted set of those that their handler snoozed
--       due           sorted set of groups, scored by when their earliest parked delivery is due
--       redeliveries  set of the redelivery streams that exist
--       streams       for each member below, the redelivery stream that it goes to
-- ARGV  now_ms        Unix ms; deliveries that are due later stay
--       later_ms      next due time of a delivery that its stream refuses
--       group         the group that they are parked for
--       members       names of parked deliveries
-- Returns the number promoted, then name and error of each that was refused.
-- One step: between removal and XADD the delivery would be nowhere; one parked meanwhile must show in `due`.
local function add(i, packed)
  local is_whole, fields = pcall(cmsgpack.unpack, packed)
  if not is_whole or type(fields) ~= 'table' then return 'its stored fields are damaged' end
  local added = redis.pcall('XADD', KEYS[i + 2], '*', unpack(fields))
  if added.err then return added.err end
  redis.pcall('XGROUP', 'CREATE', KEYS[i + 2], ARGV[3], '0')  -- BUSYGROUP (it exists) is ignored
  redis.call('SADD', KEYS[5], ARGV[3] .. '|' .. ARGV[i]:match('[^|]*'))
end
redis.call('SCARD', KEYS[5])  -- a key of another type fails here, before anything is moved
local result = {0}
for i = 4, #ARGV do
  if (tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i])) or math.huge) <= tonumber(ARGV[1]) then
    local packed = redis.call('HGET', KEYS[2], ARGV[i])
    local refusal = packed and add(i, packed)  -- without fields (deleted by hand) there is nothing to deliver
    if refusal then
      redis.call('ZADD', KEYS[1], ARGV[2], ARGV[i])  -- at the head it would block those that can be promoted
      result[#result + 1], result[#result + 2] = ARGV[i], refusal
    else
      result[1] = result[1] + redis.call('ZREM', KEYS[1], ARGV[i])
      redis.call('HDEL', KEYS[2], ARGV[i])
      redis.pcall('ZREM', KEYS[3], ARGV[i])  -- for display: a key of another type must not stop the rest
    end
  end
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
if first then redis.pcall('ZADD', KEYS[4], first, ARGV[3]) else redis.pcall('ZREM', KEYS[4], ARGV[3]) end
return result
