-- Store a batch of verified events, each once within the dedupe window.
-- KEYS  types     set of event types
--       expired   day set that has just left the window
--       seen      day sets of the window, today's first (ARGV days of them)
--       streams   one for each distinct type in the batch
-- ARGV  days      number of day sets
--       ttl_s     after which a day set expires even if nothing more arrives
--       types     number of streams, then their type names
--       events    for each event: number of its stream, digest, id, src, at, body, tp ("" for none)
-- Returns a string, one character an event: 1 stored, 0 duplicate, x refused by its stream; if any was, a table of that
-- string and the error of each x.
-- One step: an event marked seen but not stored is lost; one stored but not marked seen is stored twice.
local days, first = tonumber(ARGV[1]), 4 + ARGV[3]
local digests, seen, result, errors = {}, {}, {}, nil
for i = first + 1, #ARGV, 7 do digests[#digests + 1] = ARGV[i] end
for day = 1, days do
  for i, found in ipairs(redis.call('SMISMEMBER', KEYS[2 + day], unpack(digests))) do
    if found == 1 then seen[digests[i]] = true end
  end
end
-- Types first: readers must not miss a stream, and when memory is full this fails before anything is stored.
redis.call('SADD', KEYS[1], unpack(ARGV, 4, first - 1))
for i = first, #ARGV, 7 do
  local digest, mark = ARGV[i + 1], '0'
  if not seen[digest] then
    local fields = {'id', ARGV[i + 2], 'src', ARGV[i + 3], 'at', ARGV[i + 4], 'body', ARGV[i + 5]}
    if ARGV[i + 6] ~= '' then fields[9], fields[10] = 'tp', ARGV[i + 6] end
    -- XADD before SADD: if it fails, the sender's retry is no duplicate. One bad stream fails alone.
    local failed = redis.pcall('XADD', KEYS[2 + days + ARGV[i]], '*', unpack(fields)).err
    if not failed then redis.call('SADD', KEYS[3], digest) else
      errors = errors or {}
      errors[#errors + 1] = failed
    end
    seen[digest], mark = not failed, failed and 'x' or '1'
  end
  result[#result + 1] = mark
end
redis.call('EXPIRE', KEYS[3], ARGV[2], 'NX')
redis.call('UNLINK', KEYS[2])
return errors and {table.concat(result), unpack(errors)} or table.concat(result)
