-- Continue only if an entry is still the event that was read: a prefix of scripts that settle a delivery.
-- KEYS  stream     where it was read
-- ARGV  group      those of the script that follows, and one more at the end
--       consumer   …
--       entry      entry id
--       …
--       id         webhook-id of the event that was read; removed before the script that follows runs
-- Returns 0 when another event has the entry id, or none has; else the result of the script that follows.
-- One step: two servers that were both primary for a time give one entry id to two events, and the outcome of one must
-- never settle the other.
do
  local found, id = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1], nil
  for i = 1, found and #found[2] or 0, 2 do
    if found[2][i] == 'id' then id = found[2][i + 1] end
  end
  if id ~= table.remove(ARGV) then return 0 end
end
