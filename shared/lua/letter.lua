-- Put a dead letter into the indexes of its group: a prefix, which defines `put_letter`.
-- KEYS  …               those of the script that follows, with these in a row:
--       dead            sorted set of the group's dead letters, scored by dead_lettered_ms
--       data            hash of their records
--       fingerprint     sorted set of the dead letters of this fingerprint
--       fingerprints    hash: fingerprint → what its dead letters share
-- ARGV  …               those of the script that follows, with these in a row:
--       letter          name of the dead letter: its webhook-id
--       dead_lettered_ms  Unix ms
--       record          msgpack of the dead letter
--       name            the fingerprint
--       shared          msgpack of what its dead letters share
-- Returns what the script that follows does; `put_letter` takes the places of `dead` and `letter`, and what tells a
-- second letter of one webhook-id from the first.
-- One step: the delivery that it was must go with it.
local function put_letter(key, arg, suffix)
  -- Check types first: Redis does not roll back a failed script, so each retry would add a dead letter with a new name.
  redis.call('ZCARD', KEYS[key])
  redis.call('ZCARD', KEYS[key + 2])
  redis.call('HEXISTS', KEYS[key + 3], ARGV[arg + 3])
  local letter = ARGV[arg]
  -- The same webhook-id can be dead-lettered again: replayed, or sent by two sources. Both dead letters are kept.
  while redis.call('HEXISTS', KEYS[key + 1], letter) == 1 do letter = letter .. suffix end
  redis.call('HSET', KEYS[key + 1], letter, ARGV[arg + 2])
  redis.call('ZADD', KEYS[key], ARGV[arg + 1], letter)
  redis.call('ZADD', KEYS[key + 2], ARGV[arg + 1], letter)
  redis.call('HSET', KEYS[key + 3], ARGV[arg + 3], ARGV[arg + 4])
end
