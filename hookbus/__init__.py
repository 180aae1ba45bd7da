"""hookbus, an event bus for OpenAI webhooks.

from hookbus import App, Delivery, Reject, Retry, RetryLater
from hookbus.events import ResponseCompleted
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .worker.api import App, Breaker, Call, Delivery, Hold, Pause, Reject, Retry, RetryLater

    __version__: str

__all__ = ["App", "Breaker", "Call", "Delivery", "Hold", "Pause", "Reject", "Retry", "RetryLater"]


def __getattr__(name: str) -> Any:
    """Import the worker on first use of a public name (PEP 562): ingest does not need it."""
    if name == "__version__":
        return import_module(".shared.release", __name__).VERSION
    if name in __all__:
        return getattr(import_module(".worker.api", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
