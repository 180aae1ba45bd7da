"""The state in Redis: shards, groups and their lag, consumers, pauses, suspensions."""
