"""Logging: JSON lines for machines, colours for a terminal.

`event` comes from a fixed set that deploy/MONITORING.md lists. Lines of each event and group are limited to some a
second, so that a storm fills no disk; the next line reports how many were suppressed. Every line about an event carries
webhook_id, type, source, and group if there is one. Bodies and secrets are never logged: no call passes them.

structlog and `logging` have one configuration per process, which belongs to the user: a handler's module may change it
in any way. So our own lines pass through neither; both merely start with a configuration that writes in the same way.
Only programs that configure a log import `log_sink`: a tool starts without structlog.
"""

import logging
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from .log_sink import Limiter, Sink

FLUSH_S: Final = 2.0
"""How long a program waits at its end until its last lines are read."""
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
        from . import host_log

        host_log.write(self._name, level, fields, _host_limiter)


_sink: "Sink | None" = None
_host_limiter: "Limiter | None" = None
_bound: ContextVar[Mapping[str, object] | None] = ContextVar("hookbus_about", default=None)


def configure(level: str = "info", *, of_others: bool = True) -> None:
    """Send our lines to standard error, and with `of_others` those of structlog and `logging`, unless they are
    reconfigured."""
    from . import log_sink

    global _sink  # noqa: PLW0603 - a process has one standard error
    _sink = log_sink.Sink(level, lambda lines: get("log").warning("log_lines_dropped", lines=lines))
    if of_others:
        log_sink.configure_others(level, _sink)


def write_to_host() -> None:
    """Until `configure`, write to the log of the program that we are a part of; limited like our own."""
    from .log_sink import Limiter

    global _host_limiter  # noqa: PLW0603 - a process has one log of its own
    _host_limiter = _host_limiter or Limiter()


def bind_delivery(fields: Mapping[str, object]) -> None:
    """Add these fields to all lines that a handler logs in this context. Not kept in structlog's own context variables:
    they belong to the handler, and start empty."""
    _bound.set(fields)


def merge_delivery(_: object, __: str, fields: Fields) -> Fields:
    """A structlog processor that adds the delivery to a handler's lines. Also for a configuration of the user's own."""
    return {**(_bound.get() or {}), **fields}


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
