-- Record that a consumer is about to run a suspect alone.
-- KEYS  started    hash: consumer → the suspect that it runs alone
-- ARGV  consumer   the consumer that runs it
--       suspect    its name
-- Returns 1.
-- One step: HSET alone would do, but Redis refuses it when memory is full, and other deliveries wait for the suspect.
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
