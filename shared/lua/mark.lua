-- Note that a consumer is about to run a suspect alone.
-- KEYS  started    hash of the suspect that each consumer runs alone
-- ARGV  consumer   who runs it
--       suspect    its name
-- Returns 1.
-- One step: a command would do, but Redis refuses it when memory is full, and behind a suspect the others wait.
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
