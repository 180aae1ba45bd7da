"""The public API: a change here needs an entry in CHANGELOG.md."""

from .app import App
from .around import Call
from .breaker import Breaker
from .decision import Hold, Pause, Reject, RetryLater
from .delivery import Delivery
from .retry import Retry
from .unrun import ExpiredError, UndecodableError

__all__ = [
    "App",
    "Breaker",
    "Call",
    "Delivery",
    "ExpiredError",
    "Hold",
    "Pause",
    "Reject",
    "Retry",
    "RetryLater",
    "UndecodableError",
]
