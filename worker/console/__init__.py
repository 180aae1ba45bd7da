"""The console: pages in a browser about what the tools show, drawn by a process of its own."""
