-- Find where the groups of a stream hold it: a prefix, which defines `hold`, `held` and `groups_of`.
-- KEYS  stream     events of a type
--       groups     hash: group → stream id that it starts after
--       patterns   hash: group → patterns that it subscribes to, separated by spaces
-- ARGV  …          those of the script that follows
-- Returns what the script that follows does. `groups_of` returns name → what XINFO tells of a group on the stream, with
-- `covers` when it subscribes to the type; it holds the stream where subscribed groups start that are not on it yet.
-- `hold` keeps the least id, `held`.
-- One step: with what the script that follows cuts.
local held
local function padded(id)
  local ms, seq = (id .. '-0'):match('(%d+)-(%d+)')
  return ('0'):rep(20 - #ms) .. ms .. ('0'):rep(20 - #seq) .. seq
end
local function hold(id) if id and (not held or padded(id) < padded(held)) then held = id end end
local function groups_of(covering)
  local there = {}
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = {}
    for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
    there[group['name']] = group
  end
  local subscribed = redis.call('HGETALL', KEYS[3])
  for i = 1, #subscribed, 2 do
    for pattern in subscribed[i + 1]:gmatch('%S+') do
      if (' ' .. covering .. ' '):find(' ' .. pattern .. ' ', 1, true) then
        local group = there[subscribed[i]]
        if group then group.covers = true else hold(redis.call('HGET', KEYS[2], subscribed[i])) end
      end
    end
  end
  return there
end
