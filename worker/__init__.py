"""What a consumer needs: `from hookbus.worker import App, Breaker, Delivery, Reject, Retry, RetryLater`."""

from .api.app import App
from .api.breaker import Breaker
from .api.decision import Reject, RetryLater
from .api.delivery import Delivery
from .api.retry import Retry

__all__ = ["App", "Breaker", "Delivery", "Reject", "Retry", "RetryLater"]
