"""Runs handlers in the tests of a service, without Redis: `hookbus.testing`."""
