"""Deliveries that wait for an attempt: queries and moves."""
