-- Make a redelivery stream, the group on it and its place in the set agree: they exist while it holds something.
-- KEYS  stream        redelivery stream of the group
--       redeliveries  set of the redelivery streams that exist
-- ARGV  group         the group
--       listed        the member of the stream in the set
-- Returns "there" or "gone"; when others had deleted the group on it "created", when the stream "deleted".
-- One step: a redelivery that arrives between the look and the removal must stay, and be listed. A list of another type
-- stops neither: the stream is not to blame.
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0')
if made.err and string.find(made.err, 'requires the key to exist', 1, true) then
  return redis.pcall('SREM', KEYS[2], ARGV[2]) == 1 and 'deleted' or 'gone'
end
if redis.call('XLEN', KEYS[1]) == 0 and redis.call('XPENDING', KEYS[1], ARGV[1])[1] == 0 then
  redis.call('DEL', KEYS[1])
  redis.pcall('SREM', KEYS[2], ARGV[2])
  return 'gone'
end
redis.pcall('SADD', KEYS[2], ARGV[2])
return made.err and 'there' or 'created'
