"""Logging: JSON lines for machines, colours for a terminal.

`event` comes from a fixed set that deploy/MONITORING.md lists. Of each event and group some lines a second are written,
so that a storm fills no disk; the next line says how many were not. Every line about an event carries webhook_id, type,
source, and group where there is one. Bodies and secrets never get here: nothing in hookbus passes them to a log call.

structlog and `logging` have one configuration for a process, which is the user's: a handler's module may change it in
any way. So our own lines pass through neither; both merely begin with a configuration that writes as we do.
"""

import atexit
import logging
import os
import sys
import time
from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from typing import Any, Final, Literal

import structlog

from .log_writer import Writer
from .traced import name_of, trace_of

Level = Literal["debug", "info", "warning", "error"]
Fields = MutableMapping[str, Any]
RANKS: Final[dict[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
"""As the standard library has them."""


class Log:
    """A logger. Before `configure`, as in a test or another program, its lines go where structlog's go."""

    __slots__ = ("_bound", "_name")

    def __init__(self, name: str, bound: dict[str, Any] | None = None) -> None:
        self._name = name
        self._bound = bound or {}

    def bind(self, **fields: Any) -> "Log":
        """A logger whose lines all carry these."""
        return Log(self._name, self._bound | fields)

    def debug(self, event: str, **fields: Any) -> None:
        """What happens all the time."""
        self._say("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """What is as it should be."""
        self._say("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """What may pass."""
        self._say("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """What somebody has to look at. `exc_info` is an exception."""
        self._say("error", event, fields)

    def _say(self, level: Level, event: str, fields: dict[str, Any]) -> None:
        if _sink is None:
            getattr(structlog.get_logger(self._name), level)(event, **self._bound | fields)
        else:
            _sink.take(level, self._bound | fields | {"event": event})


class _Sink:
    """From fields to a line. Never raises: a line that can't be made is made of its event alone."""

    def __init__(self, level: str, render: Callable[[Fields], str], writer: Writer, *, is_on_terminal: bool) -> None:
        self.rank = RANKS[level]
        self.is_on_terminal = is_on_terminal
        self._limiter = Limiter()
        self._stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        self._render = render
        self.writer = writer

    def take(self, level: Level, fields: dict[str, Any]) -> None:
        """Write a line, if lines of its level and number are."""
        if RANKS[level] < self.rank:
            return
        try:
            limited = self._limiter(None, level, fields)
            line = self._render(self._stamp(None, level, {**limited, "level": level}))
        except structlog.DropEvent:
            return
        except Exception as error:  # noqa: BLE001 - a value that can't be shown must not cost more than its line
            line = self._render({"event": fields["event"], "level": level, "unreadable": name_of(type(error))})
        self.writer.write(f"{line}\n")


_sink: _Sink | None = None
_bound: ContextVar[dict[str, object] | None] = ContextVar("hookbus_about", default=None)


def configure(level: str = "info") -> None:
    """Send our lines to standard error, and those of structlog and the standard library unless told otherwise."""
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
    _configure_others(level, renderers, writer)


def _renderers(on_terminal: bool) -> list[Any]:
    # Those of structlog would by default print the local variables of each frame, bodies and secrets among them.
    traces = structlog.processors.ExceptionRenderer(lambda exc_info: trace_of(exc_info[1]))
    if on_terminal:
        return [traces, structlog.dev.ConsoleRenderer(pad_event_to=24)]
    return [traces, structlog.processors.JSONRenderer()]


def _configure_others(level: str, renderers: list[Any], writer: Writer) -> None:
    """What handlers and libraries log takes the same road, as long as nobody configures it."""
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


def bind_delivery(**fields: object) -> None:
    """Have what a handler logs from here on, in this context, carry these. Not in structlog's own context variables,
    which are the handler's and begin empty."""
    _bound.set(fields)


def merge_delivery(_: object, __: str, fields: Fields) -> Fields:
    """A structlog processor: which delivery a handler's line is about. For a configuration of the user's own, too."""
    return {**(_bound.get() or {}), **fields}


def _descriptor() -> int | None:
    """Standard error, under a number of our own: who closes 2 must not make the next socket our log."""
    try:
        return os.dup(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # closed before the start, or replaced by what is no file
        return None


def flush() -> None:
    """Have what was logged written, before an end that asks nobody; waits two seconds at most."""
    if _sink is not None:
        _sink.writer.flush()


def get(name: str) -> Log:
    """A logger; bind what every line should carry with `.bind(...)`."""
    return Log(name)


def is_on_terminal() -> bool:
    """Whether a person reads the lines as they are written."""
    return _sink is not None and _sink.is_on_terminal


def is_debug() -> bool:
    """Whether debug lines are written; what is on the hot path asks once, and makes no fields in vain."""
    return logging.getLogger().isEnabledFor(logging.DEBUG) if _sink is None else _sink.rank <= RANKS["debug"]


class Throttle:
    """Lets some lines of a kind through each second, so that whoever can cause one can't fill a disk with them."""

    def __init__(self, per_second: int = 5) -> None:
        self._per_second = per_second
        self._second = 0
        self._seen: dict[str, int] = {}
        self._suppressed: dict[str, int] = {}

    def suppressed(self, kind: str) -> int | None:
        """None for a line that is not to be written; else how many of its kind were not since the last that was.

        `kind` must come from a fixed set: each is remembered.
        """
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._seen = second, {}
        self._seen[kind] = self._seen.get(kind, 0) + 1
        if self._seen[kind] > self._per_second:
            self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
            return None
        return self._suppressed.pop(kind, 0)


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
        # A first traceback must not be lost among twenty lines that have none.
        kind = "with traceback" if "exception" in fields else ""
        suppressed = self._throttle.suppressed(f"{fields['event']} {fields.get('group', '')} {kind}")
        if suppressed is None:
            raise structlog.DropEvent
        if suppressed:
            fields["suppressed"] = suppressed + fields.get("suppressed", 0)
        return fields
