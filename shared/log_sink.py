"""Where a service's log lines go, from the loggers of `log`: rendered by structlog, limited, written by a thread."""

import atexit
import logging
import os
import sys
from collections.abc import Callable
from typing import Any, Final

import structlog

from .log import RANKS, Fields, Level, merge_delivery
from .log_writer import Writer
from .throttle import Throttle
from .traced import name_of, trace_of


class Sink:
    """Renders fields and writes the line. Never raises: a line that can't be rendered carries its event alone."""

    def __init__(self, level: str, on_dropped: Callable[[int], None]) -> None:
        self.rank = RANKS[level]
        self.is_on_terminal = sys.stderr is not None and sys.stderr.isatty()
        self.renderers = _renderers(self.is_on_terminal)
        self.writer = Writer(_descriptor(), on_dropped)
        self._limiter = Limiter()
        self._stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        atexit.register(self.writer.flush)

    def write(self, level: Level, fields: dict[str, Any]) -> None:
        """Write a line, unless its level or the rate limit suppresses it."""
        if RANKS[level] < self.rank:
            return
        try:
            limited = self._limiter(None, level, fields)
            line = self._render(self._stamp(None, level, {**limited, "level": level}))
        except structlog.DropEvent:
            return
        except Exception as error:  # noqa: BLE001 - a value that can't be rendered must cost no more than its line
            line = self._render({"event": fields["event"], "level": level, "unreadable": name_of(type(error))})
        self.writer.write(f"{line}\n")

    def _render(self, fields: Fields) -> str:
        rendered: Any = fields
        for renderer in self.renderers:
            rendered = renderer(None, "", rendered)
        return str(rendered)


def _renderers(on_terminal: bool) -> list[Any]:
    # structlog's own tracebacks would print the local variables of each frame, bodies and secrets among them.
    traces = structlog.processors.ExceptionRenderer(lambda exc_info: trace_of(exc_info[1]))
    if on_terminal:
        return [traces, structlog.dev.ConsoleRenderer(pad_event_to=24)]
    return [traces, structlog.processors.JSONRenderer()]


def configure_others(level: str, sink: Sink) -> None:
    """Write the lines of handlers and libraries in the same way, until one of them configures logging."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        merge_delivery,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[Limiter(), *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(RANKS[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sink.writer)
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *sink.renderers]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=last, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _descriptor() -> int | None:
    """Standard error, under a descriptor of our own: if 2 is closed, the next socket must not become our log."""
    try:
        return os.dup(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # closed at the start, or an object without a descriptor
        return None


class Limiter:
    """A structlog processor that limits the lines of each event and group a second. Debug lines are not limited."""

    PER_SECOND: Final = 20
    """More than a person can read; at 300 bytes each, 20 events at that rate fill 10 GB a day (a guess that bounds)."""

    def __init__(self) -> None:
        self._throttle = Throttle(self.PER_SECOND)

    def __call__(self, _: object, method: str, fields: Fields) -> Fields:
        """Raises structlog.DropEvent for a line that must be suppressed."""
        if method == "debug":
            return fields
        # A first traceback must not be lost among twenty lines that have none.
        kind = "with traceback" if "exception" in fields else ""
        suppressed = self._throttle.suppressed(f"{fields['event']} {fields.get('group', '')} {kind}")
        if suppressed is None:
            raise structlog.DropEvent
        if suppressed:
            fields["suppressed"] = suppressed + fields.get("suppressed", 0)
        return fields
