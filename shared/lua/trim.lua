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
local left = {}
for i = 6, #ARGV do left[ARGV[i]] = true end
for name, group in pairs(groups_of(ARGV[1])) do
  local pending = group['pending'] > 0 and redis.call('XPENDING', KEYS[1], name)
  if group.covers or not left[name] then hold(pending and pending[2] or group['last-delivered-id']) end
end
local cut = held and (padded(held) < padded(ARGV[2]) and held or ARGV[2]) or ARGV[3]
local gone = redis.call('XTRIM', KEYS[1], 'MINID', '~', cut, 'LIMIT', ARGV[5])
if gone < ARGV[5] / 2 then gone = gone + redis.call('XTRIM', KEYS[1], 'MINID', cut) end
local excess = math.min(redis.call('XLEN', KEYS[1]) - ARGV[4], ARGV[5])
if held and excess > 0 then gone = gone + redis.call('XTRIM', KEYS[1], 'MINID', '~', held, 'LIMIT', excess) end
return {gone, held and 0 or 1}
