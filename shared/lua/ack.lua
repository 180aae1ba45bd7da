-- Acknowledge a delivery. Runs only after `same`: elsewhere a plain XACK is enough.
-- KEYS  stream     where the entry was read
-- ARGV  group      consumer group that owns the delivery
--       consumer   the consumer that ran it
--       entry      entry id
--       own        1 when the stream belongs to this group alone, so that the entry is deleted
-- Returns 1.
-- One step: between the check of the entry and its ack the server may become a replica of another one.
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
if ARGV[4] == '1' then redis.call('XDEL', KEYS[1], ARGV[3]) end
return 1
