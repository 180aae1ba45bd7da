-- Remove an entry that is settled, and its redelivery stream with the last one: a prefix, which defines `settle`.
-- KEYS  stream        where it was read
--       …             those of the script that follows
--       redeliveries  set of the redelivery streams that exist
-- ARGV  group         consumer group that owns the delivery
--       consumer      …
--       entry         entry id
--       listed        of a redelivery, the member of its stream in the set; "" for an event, whose entry stays
--       …             those of the script that follows
-- Returns what the script that follows does; `settle()` returns 1.
-- One step: a redelivery that arrives between the last one's removal and the stream's must not go with it.
local function settle()
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  if ARGV[4] == '' then return 1 end
  redis.call('XDEL', KEYS[1], ARGV[3])
  -- An entry that was deleted by hand may still be in flight.
  if redis.call('XLEN', KEYS[1]) == 0 and redis.call('XPENDING', KEYS[1], ARGV[1])[1] == 0 then
    redis.call('DEL', KEYS[1])
    redis.pcall('SREM', KEYS[#KEYS], ARGV[4])  -- a key of another type must not stop the rest
  end
  return 1
end
