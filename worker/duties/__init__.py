"""What a worker does beside handling deliveries: one class and one `run()` each."""
