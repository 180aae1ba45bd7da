-- Acknowledge a delivery. Runs for redeliveries, and after `same`: elsewhere a plain XACK is enough.
-- KEYS  stream        where the entry was read
--       redeliveries  set of the redelivery streams that exist
-- ARGV  group         consumer group that owns the delivery
--       consumer      the consumer that ran it
--       entry         entry id
--       listed        of a redelivery, the member of its stream in the set; "" for an event
-- Returns 1.
-- One step: between the check of the entry and its ack the server may become a replica of another one.
return settle()
