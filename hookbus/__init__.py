"""hookbus, an event bus for OpenAI webhooks.

from hookbus import App, Delivery, Reject, Retry, RetryLater
from hookbus.events import ResponseCompleted
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .shared.command import FailedError
    from .shared.settings import ConfigError
    from .worker.api import (
        App,
        Breaker,
        Call,
        Delivery,
        ExpiredError,
        Hold,
        Pause,
        Reject,
        Retry,
        RetryLater,
        UndecodableError,
    )
    from .worker.crew import CrashError
    from .worker.embedded import run_worker
    from .worker.pipeline.outcome_view import Outcome

    __version__: str

__all__ = [
    "App",
    "Breaker",
    "Call",
    "ConfigError",
    "CrashError",
    "Delivery",
    "ExpiredError",
    "FailedError",
    "Hold",
    "Outcome",
    "Pause",
    "Reject",
    "Retry",
    "RetryLater",
    "UndecodableError",
    "run_worker",
]
_ELSEWHERE = {
    "ConfigError": ".shared.settings",
    "CrashError": ".worker.crew",
    "FailedError": ".shared.command",
    "Outcome": ".worker.pipeline.outcome_view",
    "run_worker": ".worker.embedded",
}
"""The home of each public name that is not in `worker.api`."""


def __getattr__(name: str) -> Any:
    """Import the worker on first use of a public name (PEP 562): ingest does not need it."""
    if name == "__version__":
        return import_module(".shared.release", __name__).VERSION
    if name in __all__:
        return getattr(import_module(_ELSEWHERE.get(name, ".worker.api"), __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
