"""Fifty groups of ten subscriptions each, without events: everything that one process may have to run."""

from hookbus import App
from tests.bench.idle import subscribed

GROUPS = tuple(f"group{number}" for number in range(50))

globals().update({group: subscribed(App(group)) for group in GROUPS})
