"""The state of the bus, for people and for Prometheus. Never touches the path of a delivery."""
