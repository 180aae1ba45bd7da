-- Trim a stream up to what every group has handled, but never what is younger than the retention time.
-- KEYS  stream     events of a type
-- ARGV  handled    oldest stream id to keep when every group has handled it
--       orphaned   oldest stream id to keep when no group reads the stream
-- Returns how many entries went.
-- One step: a group that reads or is born between the look and the cut would miss what was cut.
local function before(a, b)
  local a_ms, a_seq = a:match('(%d+)-(%d+)')
  local b_ms, b_seq = b:match('(%d+)-(%d+)')
  if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) end
  return tonumber(a_seq) < tonumber(b_seq)
end
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
local cut = #groups == 0 and ARGV[2] or ARGV[1]
for _, flat in ipairs(groups) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  local oldest = group['last-delivered-id']
  if group['pending'] > 0 then
    oldest = redis.call('XPENDING', KEYS[1], group['name'])[2]
  end
  if before(oldest, cut) then cut = oldest end
end
return redis.call('XTRIM', KEYS[1], 'MINID', cut)
