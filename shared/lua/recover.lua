-- Acknowledge a redelivery of what had failed before, and remember how it went, so that people can be told.
-- KEYS  stream        where the entry was read
--       recovered     sorted set of the group's recovered deliveries, scored by handled_ms
--       data          hash of their records
--       redeliveries  set of the redelivery streams that exist
-- ARGV  group         consumer group that owns the delivery
--       consumer      the consumer that ran it
--       entry         entry id
--       listed        of a redelivery, the member of its stream in the set
--       name          of the delivery among the recovered ones
--       handled_ms    Unix ms
--       record        msgpack of the recovered delivery
--       most          records to keep; beyond it the oldest go
--       full          share of `maxmemory` from which nothing is remembered
-- Returns 1.
-- One step: written after the ack, the record would be missing where a process dies in between.
local function is_nearly_full()
  local info = redis.call('INFO', 'memory')
  local used, limit = info:match('used_memory:(%d+)'), tonumber(info:match('maxmemory:(%d+)'))
  return limit > 0 and tonumber(used) >= limit * tonumber(ARGV[9])
end
-- An error there, of a key of another type or a full Redis, must not stop the ack.
pcall(function()
  if is_nearly_full() then return end
  redis.call('ZCARD', KEYS[2])  -- the types first: with one key wrong, the other would grow for ever
  redis.call('HSET', KEYS[3], ARGV[5], ARGV[7])
  redis.call('ZADD', KEYS[2], ARGV[6], ARGV[5])
  local excess = math.min(100, redis.call('ZCARD', KEYS[2]) - ARGV[8])  -- 1, unless the bound was lowered
  if excess > 0 then
    local old = redis.call('ZRANGE', KEYS[2], 0, excess - 1)
    redis.call('ZREM', KEYS[2], unpack(old))
    redis.call('HDEL', KEYS[3], unpack(old))
  end
end)
return settle()
