"""Where one event is, in every group: `search.find` answers from Redis alone, and changes nothing."""
