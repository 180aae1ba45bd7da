"""What a consumer needs: `from worker import App, Breaker, Delivery, Reject, Retry, RetryLater`."""

from worker.app import App
from worker.breaker import Breaker
from worker.decision import Reject, RetryLater
from worker.delivery import Delivery
from worker.retry import Retry

__all__ = ["App", "Breaker", "Delivery", "Reject", "Retry", "RetryLater"]
