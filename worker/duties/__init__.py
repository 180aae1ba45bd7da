"""Background duties of a worker: one class with one `run()` each."""
