-- Go on only if an entry is still the event that was read: what stands before a script that settles one.
-- KEYS  stream     where it was read
-- ARGV  group      as the script behind it has them, and one more
--       consumer   …
--       entry      entry id
--       …
--       id         webhook-id of the event that was read; taken away for the script behind it
-- Returns 0 when another event has the entry id, or none; else what the script behind it returns.
-- One step: two servers, each a primary for some time, give one entry id to two events, and the outcome of the one must
-- never settle the other.
do
  local found, id = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1], nil
  for i = 1, found and #found[2] or 0, 2 do
    if found[2][i] == 'id' then id = found[2][i + 1] end
  end
  if id ~= table.remove(ARGV) then return 0 end
end
