"""Logging: JSON lines for machines, colours for a terminal; library records take the same road.

Every line about an event carries webhook_id, type, source, and group where there is one. Bodies and secrets never
get here: nothing in hookbus passes them to a log call.
"""

import logging
import sys
import time
from typing import Any, Final

import structlog


def configure(level: str = "info") -> None:
    """Send structlog and the standard library's logging to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    on_terminal = sys.stderr.isatty()
    if on_terminal:
        plain = structlog.dev.plain_traceback
        last: list[Any] = [structlog.dev.ConsoleRenderer(pad_event_to=24, exception_formatter=plain)]
    else:
        # Both renderers would by default print the local variables of each frame, bodies and secrets among them.
        frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        last = [structlog.processors.ExceptionRenderer(frames), structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[remove_meta, *last], foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def get(name: str) -> Any:
    """A logger; bind what every line should carry with `.bind(...)`."""
    return structlog.get_logger(name)


class Throttle:
    """Lets some lines of a kind through each second, so that whoever can cause one can't fill a disk with them."""

    PER_SECOND: Final = 5

    def __init__(self) -> None:
        self._second = 0
        self._seen: dict[str, int] = {}
        self._left_out: dict[str, int] = {}

    def left_out(self, kind: str) -> int | None:
        """None for a line that is not to be written; else how many of its kind were not since the last that was.

        `kind` must come from a fixed set: each is remembered.
        """
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._seen = second, {}
        self._seen[kind] = self._seen.get(kind, 0) + 1
        if self._seen[kind] > self.PER_SECOND:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return None
        return self._left_out.pop(kind, 0)
