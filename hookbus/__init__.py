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
    from .worker.api.app import App
    from .worker.api.around import Call
    from .worker.api.breaker import Breaker
    from .worker.api.decision import Hold, Pause, Reject, RetryLater
    from .worker.api.delivery import Delivery
    from .worker.api.retry import Retry
    from .worker.api.unrun import ExpiredError, UndecodableError
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
_HOMES = {
    "App": ".worker.api.app",
    "Breaker": ".worker.api.breaker",
    "Call": ".worker.api.around",
    "ConfigError": ".shared.settings",
    "CrashError": ".worker.crew",
    "Delivery": ".worker.api.delivery",
    "ExpiredError": ".worker.api.unrun",
    "FailedError": ".shared.command",
    "Hold": ".worker.api.decision",
    "Outcome": ".worker.pipeline.outcome_view",
    "Pause": ".worker.api.decision",
    "Reject": ".worker.api.decision",
    "Retry": ".worker.api.retry",
    "RetryLater": ".worker.api.decision",
    "UndecodableError": ".worker.api.unrun",
    "run_worker": ".worker.embedded",
}
"""Public name → the module that has it."""


def __getattr__(name: str) -> Any:
    """Import the worker on first use of a public name (PEP 562): ingest does not need it."""
    if name == "__version__":
        return import_module(".shared.release", __name__).VERSION
    if home := _HOMES.get(name):
        return getattr(import_module(home, __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
