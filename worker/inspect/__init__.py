"""What the bus is doing, for people and for Prometheus. Never touches the path of a delivery."""
