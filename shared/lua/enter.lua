-- Enter a group that gave no sign of life yet as silent from now on.
-- KEYS  groups   hash: group → stream id that it starts after
--       worked   hash of each group's last sign of life
-- ARGV  group    who is silent
--       now_ms   Unix ms
-- Returns 1 when entered, 0 when it gave a sign meanwhile, or was forgotten.
-- One step: of a group that is forgotten between a look and a note, the note would stay for ever.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
return redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2])
