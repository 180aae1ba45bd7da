"""Dead letters: queries, moves, export and import."""
