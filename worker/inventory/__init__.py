"""What lies in this Redis: shards, places of groups, readers, pauses, open breakers."""
