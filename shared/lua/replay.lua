-- Replay events: deliver them to a group again.
-- KEYS  groups        hash: group → stream id that it starts after
--       redeliveries  set of the redelivery streams that exist
--       streams       redelivery streams of the group that the events below go to
-- ARGV  group         the group
--       listed        for each stream, its member in the set
--       events        for each: number of its stream, number of fields and values that follow
-- Returns the number added: all, or 0 when the group does not exist.
-- One step: a batch that is interrupted or refused is stored in full or not at all, so a replay can resume after it.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
for i = 3, #KEYS do
  redis.call('SADD', KEYS[2], ARGV[i - 1])
  -- With the group on them, they count as backlog even while no worker runs.
  local made = redis.pcall('XGROUP', 'CREATE', KEYS[i], ARGV[1], '0', 'MKSTREAM')
  if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return made end
end
local given, at = 0, #KEYS
while at < #ARGV do
  local last = at + 1 + tonumber(ARGV[at + 1])
  redis.call('XADD', KEYS[2 + tonumber(ARGV[at])], '*', unpack(ARGV, at + 2, last))
  given, at = given + 1, last + 1
end
return given
