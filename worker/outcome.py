"""How an attempt ended, as a value. Another module writes it down.

Ack        handled
Park       failed; again after a while
Bury       dead letter, now
"""

import math
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

from hookbus import HOME, PACKAGES
from worker.retry import Retry

Reason = Literal["attempts_exhausted", "rejected", "undecodable", "worker_lost", "expired"]

MESSAGE_CHARS: Final = 2_000
TRACEBACK_CHARS: Final = 16_000
"""Caps of one record: enough to see the fault, too little to fill Redis when every delivery fails."""

_OURS = {HOME / name for name in PACKAGES}
_LIBRARIES = ("site-packages", "dist-packages", "<frozen ", str(Path(traceback.__file__).parent))


class RetryLater(Exception):  # noqa: N818 - a request, not an error
    """Raised by a handler: try again after `seconds`. Counts as an attempt."""

    seconds: float = 0.0

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds} s")
        if not math.isfinite(seconds):
            raise ValueError(f"RetryLater({seconds}): a number of seconds is needed")
        self.seconds = max(0.0, float(seconds))


class Reject(Exception):  # noqa: N818 - a verdict, not an error
    """Raised by a handler: no attempt will ever succeed, make it a dead letter now. Says why."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What went wrong. `frame` is the innermost line of the application, `file:function`, "" where there is none."""

    error_class: str
    message: str
    traceback: str = ""
    frame: str = ""

    def __str__(self) -> str:
        return f"{self.error_class}: {self.message}" if self.message else self.error_class


@dataclass(frozen=True, slots=True)
class Ack:
    """Handled."""


ACK: Final = Ack()
"""All are alike."""


@dataclass(frozen=True, slots=True)
class Park:
    """Failed; the next attempt is due in `wait_s` seconds."""

    wait_s: float
    cause: Cause


@dataclass(frozen=True, slots=True)
class Bury:
    """A dead letter."""

    reason: Reason
    cause: Cause


Outcome = Ack | Park | Bury


def failed(error: BaseException, attempt: int, retry: Retry, message: str = "") -> Park | Bury:
    """What follows from an exception that a handler let out. `message` replaces the exception's own text."""
    cause = describe(error, message)
    if isinstance(error, Reject):
        return Bury("rejected", cause)
    if attempt >= retry.attempts:
        return Bury("attempts_exhausted", cause)
    if isinstance(error, RetryLater):
        return Park(error.seconds, cause)
    return Park(retry.wait_s(attempt), cause)


def undecodable(error: Exception) -> Bury:
    """The body can't become what the handler wants; trying again would not change it."""
    return Bury("undecodable", Cause(type(error).__name__, _storable(_safe_text(error))[:MESSAGE_CHARS]))


def foreign(flaw: str) -> Bury:
    """A stream entry that hookbus did not write."""
    return Bury("undecodable", Cause("ForeignEntry", _storable(flaw)[:MESSAGE_CHARS]))


def expired(age_s: float, received_s: float, max_age_s: float) -> Bury:
    """The event, made `age_s` and received `received_s` seconds ago, is too old to be of use."""
    ages = f"{age_s:.1f} s old, received {received_s:.1f} s ago"
    return Bury("expired", Cause("Expired", f"{ages}, max_age is {max_age_s:g} s"))


def worker_lost(deaths: tuple[str, ...]) -> Bury:
    """It ran alone each time that its worker died."""
    return Bury("worker_lost", Cause("WorkerLost", f"{len(deaths)} workers died of it: {', '.join(deaths)}"))


def describe(error: BaseException, message: str = "") -> Cause:
    """Class, message, capped traceback and application frame of an exception."""
    text = "".join(traceback.format_exception(error))
    if len(text) > TRACEBACK_CHARS:
        half = TRACEBACK_CHARS // 2
        text = f"{text[:half]}\n… {len(text) - TRACEBACK_CHARS} characters left out …\n{text[-half:]}"
    return Cause(
        _storable(type(error).__qualname__),
        _storable(message or _safe_text(error))[:MESSAGE_CHARS],
        _storable(text),
        _storable(_application_frame(error.__traceback__)),
    )


def _storable(text: str) -> str:
    """The text as UTF-8 can hold it, so that an error that quotes a lone surrogate can be written down."""
    return text.encode("utf-8", "backslashreplace").decode()


def _safe_text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - a handler's own exception class may be broken too
        return f"<no text: {type(broken).__name__}>"


def _application_frame(trace: TracebackType | None) -> str:
    """The innermost frame that is neither a library's nor ours; it stays the same when lines move."""
    found = ""
    for frame, _ in traceback.walk_tb(trace):
        path = Path(frame.f_code.co_filename)
        if not _OURS.intersection(path.parents) and not any(part in str(path) for part in _LIBRARIES):
            found = f"{path.name}:{frame.f_code.co_qualname}"
    return found
