-- Record a group that has shown no sign of life yet as silent from now on.
-- KEYS  groups   hash: group → stream id that it starts after
--       worked   hash of each group's last sign of life
-- ARGV  group    the silent group
--       now_ms   Unix ms
-- Returns 1 when recorded, 0 when the group has shown a sign of life meanwhile, or was deleted.
-- One step: if the group is deleted between the check and the write, its field would stay for ever.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
return redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2])
