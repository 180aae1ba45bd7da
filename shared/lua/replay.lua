-- Give a group some events once more.
-- KEYS  groups    hash: group → stream id that it starts after
--       streams   redelivery streams of the group that the events below go to
-- ARGV  group     who gets them
--       events    for each: number of its stream, number of fields and values that follow
-- Returns how many were given: all, or 0 when there is no such group.
-- One step: what is cut off or refused is there as a whole or not at all, so whoever goes on knows where.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
-- With the group on them, they are its backlog though no worker runs. Where it is, this fails, and that is well.
for i = 2, #KEYS do redis.pcall('XGROUP', 'CREATE', KEYS[i], ARGV[1], '0', 'MKSTREAM') end
local given, at = 0, 2
while at < #ARGV do
  local last = at + 1 + tonumber(ARGV[at + 1])
  redis.call('XADD', KEYS[1 + tonumber(ARGV[at])], '*', unpack(ARGV, at + 2, last))
  given, at = given + 1, last + 1
end
return given
