"""Moves the data of layout 1 to layout 2. The room goes with release 0.3."""
