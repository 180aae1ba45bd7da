-- Acknowledge a delivery. Runs behind `same` only: else the command alone does it.
-- KEYS  stream     where the entry was read
-- ARGV  group      consumer group that owns the delivery
--       consumer   who ran it
--       entry      entry id
--       own        1 when the stream is this group's alone, so that the entry can go
-- Returns 1.
-- One step: between a look at the entry and the ack of it its server may become another's replica.
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
if ARGV[4] == '1' then redis.call('XDEL', KEYS[1], ARGV[3]) end
return 1
