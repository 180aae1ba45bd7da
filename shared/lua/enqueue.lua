-- Store a batch of verified events, each once within the dedupe window.
-- KEYS  types     set of event types
--       expired   day set that has left the window
--       seen      day sets of the window, today's first (ARGV days of them)
--       streams   one for each distinct type in the batch
-- ARGV  days      number of day sets
--       ttl_s     after which a day set goes even if nothing more arrives
--       types     number of streams, then their type names
--       events    for each event: number of its stream, digest, id, src, at, body, tp ("" for none)
-- Returns a string, one character an event: 1 stored, 0 duplicate.
-- One step: seen but not stored loses the event, stored but not seen stores it twice.
local days, types = tonumber(ARGV[1]), tonumber(ARGV[3])
local first = 4 + types
local digests = {}
for i = first + 1, #ARGV, 7 do digests[#digests + 1] = ARGV[i] end
local seen, result = {}, {}
for day = 1, days do
  for i, found in ipairs(redis.call('SMISMEMBER', KEYS[2 + day], unpack(digests))) do
    if found == 1 then seen[digests[i]] = true end
  end
end
-- Types first: no reader must miss a stream, and should memory be short this fails before anything is stored.
redis.call('SADD', KEYS[1], unpack(ARGV, 4, first - 1))
for i = first, #ARGV, 7 do
  local digest = ARGV[i + 1]
  if seen[digest] then
    result[#result + 1] = '0'
  else
    local stream = tonumber(ARGV[i])
    local fields = {'id', ARGV[i + 2], 'src', ARGV[i + 3], 'at', ARGV[i + 4], 'body', ARGV[i + 5]}
    if ARGV[i + 6] ~= '' then fields[9], fields[10] = 'tp', ARGV[i + 6] end
    -- XADD before SADD: should it fail, the sender's retry is not taken for a duplicate.
    redis.call('XADD', KEYS[2 + days + stream], '*', unpack(fields))
    redis.call('SADD', KEYS[3], digest)
    seen[digest], result[#result + 1] = true, '1'
  end
end
redis.call('EXPIRE', KEYS[3], ARGV[2], 'NX')
redis.call('UNLINK', KEYS[2])
return table.concat(result)
