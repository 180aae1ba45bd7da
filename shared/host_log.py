"""Writes our lines into the log of a program that hookbus is a part of, and configures nothing there.

A program that has configured structlog gets them there. Any other gets them through `logging`, from loggers below
`hookbus`: the event and its fields as text, and all of them in the attribute `hookbus` of the record.
"""

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import structlog

from .log import Level

if TYPE_CHECKING:
    from .log_sink import Limiter


def write(name: str, level: Level, fields: dict[str, Any], limiter: "Limiter | None" = None) -> None:
    """Write a line, unless the limiter suppresses it; `fields` has the `event`, and perhaps an exception as `exc_info`.
    Never raises: what the program configured may."""
    with contextlib.suppress(Exception, structlog.DropEvent):
        if limiter is not None:
            fields = dict(limiter(None, level, fields))
        if structlog.is_configured():
            getattr(structlog.get_logger(name), level)(**fields)
        else:
            _to_logging(logging.getLogger(f"hookbus.{name}"), getattr(logging, level.upper()), fields)


def _to_logging(logger: logging.Logger, rank: int, fields: dict[str, Any]) -> None:
    if logger.isEnabledFor(rank):
        error = fields.pop("exc_info", None)
        text = " ".join([fields["event"], *(f"{key}={value}" for key, value in fields.items() if key != "event")])
        logger.log(rank, "%s", text, exc_info=error, extra={"hookbus": fields})
