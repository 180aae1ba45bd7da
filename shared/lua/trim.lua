-- Trim a stream by a bounded step, never past an event that some group has yet to handle.
-- KEYS  stream     events of a type
--       groups     hash: group → stream id that it starts after
--       patterns   hash: group → patterns that it subscribes to, separated by spaces
-- ARGV  covering   patterns that subscribe to the stream's type, separated by spaces
--       handled    oldest stream id to keep although every group has handled it
--       orphaned   oldest stream id to keep when no group subscribes
--       most       entries to keep; beyond it the oldest that every group has handled go, whatever their age
--       limit      most entries to delete, twice: by age and by number, each in whole nodes of the stream's tree
--       left       groups that stopped reading the type long ago; one that subscribes to it again still holds the trim
-- Returns the number of entries deleted, and 1 when no group subscribes.
-- One step: a group that reads or is created between the check and the cut would miss the events cut.
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, 0} end
local safe, covers, left = nil, {}, {}
local function padded(id)
  local ms, seq = (id .. '-0'):match('(%d+)-(%d+)')
  return ('0'):rep(20 - #ms) .. ms .. ('0'):rep(20 - #seq) .. seq
end
local function hold(id) if id and (not safe or padded(id) < padded(safe)) then safe = id end end
for i = 6, #ARGV do left[ARGV[i]] = true end
local subscribed = redis.call('HGETALL', KEYS[3])
for i = 1, #subscribed, 2 do
  for pattern in subscribed[i + 1]:gmatch('%S+') do
    if (' ' .. ARGV[1] .. ' '):find(' ' .. pattern .. ' ', 1, true) then covers[subscribed[i]] = true end
  end
end
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  local name, pending = group['name'], group['pending'] > 0 and redis.call('XPENDING', KEYS[1], group['name'])
  if covers[name] or not left[name] then hold(pending and pending[2] or group['last-delivered-id']) end
  covers[name] = nil
end
for name in pairs(covers) do hold(redis.call('HGET', KEYS[2], name)) end
local cut = safe and (padded(safe) < padded(ARGV[2]) and safe or ARGV[2]) or ARGV[3]
local gone = redis.call('XTRIM', KEYS[1], 'MINID', '~', cut, 'LIMIT', ARGV[5])
if gone < ARGV[5] / 2 then gone = gone + redis.call('XTRIM', KEYS[1], 'MINID', cut) end
local excess = math.min(redis.call('XLEN', KEYS[1]) - ARGV[4], ARGV[5])
if safe and excess > 0 then gone = gone + redis.call('XTRIM', KEYS[1], 'MINID', '~', safe, 'LIMIT', excess) end
return {gone, safe and 0 or 1}
