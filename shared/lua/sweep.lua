-- Delete events that every group has handled from the middle of a stream whose older, unhandled events prevent a trim.
-- KEYS  stream     events of a type
--       groups     hash: group → stream id that it starts after
--       patterns   hash: group → patterns that it subscribes to, separated by spaces
-- ARGV  covering   patterns that subscribe to the stream's type, separated by spaces
--       first      where to begin: - or ( and a stream id
--       count      entries to examine; few, since their bodies pass through Lua
-- Returns the number deleted, and the id of the last entry examined, "" when all that every group has read are done.
-- One step: an event that returns to a group between the check and the deletion would be lost.
local names, present, reached = {}, {}, nil
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, ''} end
local function padded(id)
  local ms, seq = (id .. '-0'):match('(%d+)-(%d+)')
  return ('0'):rep(20 - #ms) .. ms .. ('0'):rep(20 - #seq) .. seq
end
local function hold(id) if not reached or padded(id) < padded(reached) then reached = id end end
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  names[#names + 1], present[group['name']] = group['name'], true
  hold(group['last-delivered-id'])
end
local subscribed = redis.call('HGETALL', KEYS[3])
for i = 1, #subscribed, 2 do
  local start = not present[subscribed[i]] and redis.call('HGET', KEYS[2], subscribed[i])
  for pattern in subscribed[i + 1]:gmatch('%S+') do
    if start and (' ' .. ARGV[1] .. ' '):find(' ' .. pattern .. ' ', 1, true) then hold(start) end
  end
end
local gone, last = 0, ''
for _, entry in ipairs(reached and redis.call('XRANGE', KEYS[1], ARGV[2], reached, 'COUNT', ARGV[3]) or {}) do
  local needed = 0
  for _, name in ipairs(names) do needed = needed + #redis.call('XPENDING', KEYS[1], name, entry[1], entry[1], 1) end
  if needed == 0 then gone = gone + redis.call('XDEL', KEYS[1], entry[1]) end
  last = entry[1]
end
return {gone, last}
