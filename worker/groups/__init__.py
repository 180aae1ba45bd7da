"""What operators do to a whole group: replay its past, forget it."""
