-- Delete events that every group has handled from the middle of a stream whose older, unhandled events prevent a trim.
-- KEYS  stream     events of a type
--       groups     hash: group → stream id that it starts after
--       patterns   hash: group → patterns that it subscribes to, separated by spaces
-- ARGV  covering   patterns that subscribe to the stream's type, separated by spaces
--       first      where to begin: - or ( and a stream id
--       count      entries to examine; few, since their bodies pass through Lua
-- Returns the number deleted, and the id of the last entry examined, "" when all that every group has read are done.
-- One step: an event that returns to a group between the check and the deletion would be lost.
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, ''} end
local names = {}
for name, group in pairs(groups_of(ARGV[1])) do
  names[#names + 1] = name
  hold(group['last-delivered-id'])
end
local gone, last = 0, ''
for _, entry in ipairs(held and redis.call('XRANGE', KEYS[1], ARGV[2], held, 'COUNT', ARGV[3]) or {}) do
  local needed = 0
  for _, name in ipairs(names) do needed = needed + #redis.call('XPENDING', KEYS[1], name, entry[1], entry[1], 1) end
  if needed == 0 then gone = gone + redis.call('XDEL', KEYS[1], entry[1]) end
  last = entry[1]
end
return {gone, last}
