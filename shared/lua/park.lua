-- Park a failed delivery until its next attempt is due.
-- KEYS  stream        where the entry was read
--       delayed       sorted set of this group's parked deliveries, scored by due_ms
--       data          hash of their stored fields
--       snoozed       sorted set of those that their handler snoozed, scored by since_ms
--       due           sorted set of groups, scored by their earliest due_ms
--       redeliveries  set of the redelivery streams that exist
-- ARGV  group         consumer group that owns the delivery
--       consumer      the consumer that ran it
--       entry         entry id
--       listed        of a redelivery, the member of its stream in `redeliveries`; "" for an event
--       member        name of the parked delivery
--       due_ms        Unix ms of the next attempt
--       since_ms      of a snoozed delivery, Unix ms of its first attempt; "" for a failed one
--       fields        fields and values of the redelivery
-- Returns 1 when parked, 0 when another consumer settled or claimed the entry first.
-- One step: an ack without a park loses the event, a park without an ack delivers it twice.
local mine = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if #mine == 0 then return 0 end
redis.call('HSET', KEYS[3], ARGV[5], cmsgpack.pack({unpack(ARGV, 8)}))
redis.call('ZADD', KEYS[2], ARGV[6], ARGV[5])
if ARGV[7] ~= '' then redis.call('ZADD', KEYS[4], ARGV[7], ARGV[5]) end
-- Promoters look there; a key of another type must not stop the rest.
redis.pcall('ZADD', KEYS[5], 'LT', ARGV[6], ARGV[1])
return settle()
