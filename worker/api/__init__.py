"""The public API: a change here needs an entry in CHANGELOG.md."""

from .app import App
from .breaker import Breaker
from .decision import Reject, RetryLater
from .delivery import Delivery
from .retry import Retry

__all__ = ["App", "Breaker", "Delivery", "Reject", "Retry", "RetryLater"]
