"""Logging: JSON lines for machines, colours for a terminal; library records take the same road.

`event` comes from a fixed set that the README lists. Of each event and group some lines a second are written, so that
a storm fills no disk; the next line says how many were not. Every line about an event carries webhook_id, type, source,
and group where there is one. Bodies and secrets never get here: nothing in hookbus passes them to a log call.
"""

import logging
import sys
import time
from collections.abc import MutableMapping
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
        processors=[Limiter(), *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
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


def tells_all() -> bool:
    """Whether debug lines are written; what is on the hot path asks once, and makes no fields in vain."""
    return logging.getLogger().isEnabledFor(logging.DEBUG)


class Throttle:
    """Lets some lines of a kind through each second, so that whoever can cause one can't fill a disk with them."""

    def __init__(self, per_second: int = 5) -> None:
        self._per_second = per_second
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
        if self._seen[kind] > self._per_second:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return None
        return self._left_out.pop(kind, 0)


class Limiter:
    """A structlog processor: bounds the lines of each event and group. Debug lines are for who wants them all."""

    PER_SECOND: Final = 20
    """More than anybody reads; of 300 bytes each, 20 events at that rate all day fill 10 GB (a guess that bounds)."""

    def __init__(self) -> None:
        self._throttle = Throttle(self.PER_SECOND)

    def __call__(self, _: object, method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Raises structlog.DropEvent for a line that is not to be written."""
        if method == "debug":
            return fields
        left_out = self._throttle.left_out(f"{fields['event']} {fields.get('group', '')}")
        if left_out is None:
            raise structlog.DropEvent
        if left_out:
            fields["left_out"] = left_out + fields.get("left_out", 0)
        return fields
