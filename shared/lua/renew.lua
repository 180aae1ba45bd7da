-- Renew a consumer's liveness key, and with its records its registration in its groups.
-- KEYS  alive      its liveness key
--       worked     hash of each group's last sign of life
--       expiries   sorted set of when each liveness key expires
--       consumers  hash of the consumers of each of its groups
-- ARGV  consumer   the consumer that is alive
--       ttl_ms     lifetime of the key
--       now_ms     Unix ms
--       kept_ms    how long a consumer whose key expired stays in `expiries`
--       count      number of its groups
--       groups     their names, in the order of KEYS
--       records    the consumer's record in each of them; none when its last renewal registered it
-- Returns 1, 0 when a hash refused the registration, or -1, with nothing done, when the records are needed: its key went
--         since its last renewal, and others may have removed it.
-- One step: deliveries of a consumer that dies unregistered are never taken over; those of one that is registered
-- without a liveness key are taken over while it is alive.
-- Nobody removes the registration of a consumer while its liveness key exists.
local count = tonumber(ARGV[5])
local has_records = #ARGV == 5 + 2 * count
if not has_records and redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
redis.call('SET', KEYS[1], 1, 'PX', ARGV[2])
local worked, result = {}, 1
for i = 6, 5 + count do
  worked[#worked + 1], worked[#worked + 2] = ARGV[i], ARGV[3]
  -- A hash that refuses the write, such as a key of another type, must not cost the consumer its liveness key.
  if has_records and type(redis.pcall('HSET', KEYS[i - 2], ARGV[1], ARGV[i + count])) == 'table' then
    result = 0
  end
end
redis.pcall('HSET', KEYS[2], unpack(worked))
redis.pcall('ZADD', KEYS[3], ARGV[3] + ARGV[2], ARGV[1])  -- a hint
redis.pcall('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[3] - ARGV[4])
return result
