"""The path of a delivery: routed, read, run, settled or dead-lettered."""
