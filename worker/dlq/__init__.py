"""Dead letters: looked at, moved, exported."""
