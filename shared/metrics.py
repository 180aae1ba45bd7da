"""Metrics of both programs, and their labels for event types."""

from typing import Final

from .events import BY_TYPE
from .fast_metrics import HistogramFamily
from .keys import UNTYPED

OTHER: Final = "other"
"""Label of all types that were not known beforehand: senders may invent any number of them."""

DOCUMENTED: Final = frozenset({*BY_TYPE, UNTYPED})

LOOP_LAG: Final = HistogramFamily(
    "hookbus_loop_lag_seconds",
    "How late the event loop came to a timer that is due every half second.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10),
).labels()
