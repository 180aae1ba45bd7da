"""Logging: JSON lines for machines, colours for a terminal.

`event` comes from a fixed set that deploy/MONITORING.md lists. Lines of each event and group are limited to some a
second, so that a storm fills no disk; the next line reports how many were suppressed. Every line about an event carries
webhook_id, type, source, and group if there is one. Bodies and secrets are never logged: no call passes them.

structlog and `logging` have one configuration per process, which belongs to the user: a handler's module may change it
in any way. So our own lines pass through neither; both merely start with a configuration that writes in the same way.
"""

import atexit
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, Final, Literal

import structlog

from . import host_log
from .log_writer import Writer
from .traced import name_of, trace_of

Level = Literal["debug", "info", "warning", "error"]
Fields = MutableMapping[str, Any]
RANKS: Final[dict[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
"""The levels of the standard library."""


class Log:
    """A logger. Before `configure`, as in a test or another program, its lines go to the log of that (`host_log`)."""

    __slots__ = ("_bound", "_name")

    def __init__(self, name: str, bound: dict[str, Any] | None = None) -> None:
        self._name = name
        self._bound = bound or {}

    def bind(self, **fields: Any) -> "Log":
        """A logger whose lines all carry these fields."""
        return Log(self._name, self._bound | fields)

    def debug(self, event: str, **fields: Any) -> None:
        """Log a routine event of the hot path."""
        self._log("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Log an expected event."""
        self._log("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log a problem that may resolve itself."""
        self._log("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Log a problem that a person has to look at. `exc_info` is an exception."""
        self._log("error", event, fields)

    def _log(self, level: Level, event: str, fields: dict[str, Any]) -> None:
        fields = {**self._bound, **fields, "event": event}
        if _sink is not None:
            _sink.write(level, fields)
            return
        with contextlib.suppress(structlog.DropEvent):
            host_log.write(
                self._name, level, fields if _host_limiter is None else dict(_host_limiter(None, level, fields))
            )


class _Sink:
    """Renders fields and writes the line. Never raises: a line that can't be rendered carries its event alone."""

    def __init__(self, level: str, render: Callable[[Fields], str], writer: Writer, *, is_on_terminal: bool) -> None:
        self.rank = RANKS[level]
        self.is_on_terminal = is_on_terminal
        self._limiter = Limiter()
        self._stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        self._render = render
        self.writer = writer

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


_sink: _Sink | None = None
_host_limiter: "Limiter | None" = None
_bound: ContextVar[Mapping[str, object] | None] = ContextVar("hookbus_about", default=None)


def configure(level: str = "info", *, of_others: bool = True) -> None:
    """Send our lines to standard error, and with `of_others` those of structlog and `logging`, unless they are
    reconfigured."""
    global _sink  # noqa: PLW0603 - a process has one standard error
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    renderers = _renderers(on_terminal)

    def render(fields: Fields) -> str:
        rendered: Any = fields
        for renderer in renderers:
            rendered = renderer(None, "", rendered)
        return str(rendered)

    writer = Writer(_descriptor(), lambda lines: get("log").warning("log_lines_dropped", lines=lines))
    _sink = _Sink(level, render, writer, is_on_terminal=on_terminal)
    atexit.register(writer.flush)
    if of_others:
        _configure_others(level, renderers, writer)


def write_to_host() -> None:
    """Until `configure`, write to the log of the program that we are a part of; limited like our own."""
    global _host_limiter  # noqa: PLW0603 - a process has one log of its own
    _host_limiter = _host_limiter or Limiter()


def _renderers(on_terminal: bool) -> list[Any]:
    # structlog's own tracebacks would print the local variables of each frame, bodies and secrets among them.
    traces = structlog.processors.ExceptionRenderer(lambda exc_info: trace_of(exc_info[1]))
    if on_terminal:
        return [traces, structlog.dev.ConsoleRenderer(pad_event_to=24)]
    return [traces, structlog.processors.JSONRenderer()]


def _configure_others(level: str, renderers: list[Any], writer: Writer) -> None:
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
    handler = logging.StreamHandler(writer)
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=last, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def bind_delivery(fields: Mapping[str, object]) -> None:
    """Add these fields to all lines that a handler logs in this context. Not kept in structlog's own context variables:
    they belong to the handler, and start empty."""
    _bound.set(fields)


def merge_delivery(_: object, __: str, fields: Fields) -> Fields:
    """A structlog processor that adds the delivery to a handler's lines. Also for a configuration of the user's own."""
    return {**(_bound.get() or {}), **fields}


def _descriptor() -> int | None:
    """Standard error, under a descriptor of our own: if 2 is closed, the next socket must not become our log."""
    try:
        return os.dup(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # closed at the start, or an object without a descriptor
        return None


def flush() -> None:
    """Write all waiting lines, before an abrupt end of the process; waits two seconds at most."""
    if _sink is not None:
        _sink.writer.flush()


def get(name: str) -> Log:
    """A logger. `.bind(...)` adds fields to every line."""
    return Log(name)


def is_on_terminal() -> bool:
    """Whether the log goes to a terminal."""
    return _sink is not None and _sink.is_on_terminal


def is_debug() -> bool:
    """Whether debug lines are written. The hot path checks once, and builds no fields in vain."""
    return logging.getLogger().isEnabledFor(logging.DEBUG) if _sink is None else _sink.rank <= RANKS["debug"]


class Throttle:
    """Lets some lines of a kind through each second, so that a client that can cause them can't fill a disk."""

    def __init__(self, per_second: int = 5) -> None:
        self._per_second = per_second
        self._second = 0
        self._counts: dict[str, int] = {}
        self._suppressed: dict[str, int] = {}

    def suppressed(self, kind: str) -> int | None:
        """None if this line must be suppressed; else how many of its kind were suppressed since the last one written.

        `kind` must come from a fixed set: each is kept in memory.
        """
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._counts = second, {}
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if self._counts[kind] > self._per_second:
            self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
            return None
        return self._suppressed.pop(kind, 0)


class Limiter:
    """A structlog processor that limits the lines of each event and group a second. Debug lines are not limited."""

    PER_SECOND: Final = 20
    """More than a person can read; at 300 bytes each, 20 events at that rate fill 10 GB a day (a guess that bounds)."""

    def __init__(self) -> None:
        self._throttle = Throttle(self.PER_SECOND)

    def __call__(self, _: object, method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
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
