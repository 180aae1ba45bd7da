"""Dead letters as JSON Lines: each line holds every field of a letter, so that an export can be imported again.

A UTF-8 body is text in `body`, any other is base64 in `body_base64`; both are restored byte for byte. Lines are
untrusted input: every field that becomes part of a key or of the index is validated, and the fingerprint is recomputed.
"""

import base64
import binascii
import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from ...shared.entry import Failure
from ...shared.keys import is_name
from ...shared.times import LAST_MS
from ..pipeline.dead_letter import DeadLetterRecord, fingerprint
from ..pipeline.outcome import Reason

MAX_LINE_BYTES: Final = 256 * 1024 * 1024
"""The largest body that ingest can be configured to accept (64 MiB), times four for JSON escapes."""

_WEBHOOK_ID = re.compile(r"[!-~]{1,255}")
_NAME_SUFFIX = re.compile(r"(~[0-9]+-[0-9]+)*")
"""The suffix that `dead_letter.lua` appends when a letter of that webhook-id already exists."""

Time = Annotated[int, msgspec.Meta(ge=0, le=LAST_MS)]
Natural = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class LineError(Exception):
    """An invalid line; `number` counts from 1."""

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(f"line {number}: {problem}")
        self.number = number


class _Attempt(msgspec.Struct, frozen=True):
    attempt: Natural
    at_ms: Time
    duration_ms: Natural
    consumer: str
    error: str
    times: Natural = 0
    since_ms: Natural = 0


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    letter: str
    type: str
    group: str
    webhook_id: str
    source: str
    received_at_ms: Time
    dead_lettered_at_ms: Time | UnsetType = UNSET
    died_at_ms: Time | UnsetType = UNSET
    """The name of `dead_lettered_at_ms` in exports before 0.1."""
    reason: Reason
    error_class: str
    message: str
    traceback: str
    frame: str
    attempts: Natural
    history: tuple[_Attempt, ...]
    traceparent: str = ""
    is_replay: bool = False
    body: str | None = None
    body_base64: str | None = None


_read_line = msgspec.json.Decoder(_Line).decode


def summary(name: str, letter: DeadLetterRecord) -> dict[str, Any]:
    """Return the fields of a letter without body, traceback and history."""
    return {
        "letter": name,
        "group": letter.group,
        "type": letter.type,
        "webhook_id": letter.webhook_id,
        "source": letter.source,
        "received_at_ms": letter.received_at_ms,
        "dead_lettered_at_ms": letter.dead_lettered_at_ms,
        "reason": letter.reason,
        "error_class": letter.error_class,
        "message": letter.message,
        "frame": letter.frame,
        "fingerprint": letter.fingerprint,
        "attempts": letter.attempts,
        "is_replay": letter.is_replay,
    }


def fields(name: str, letter: DeadLetterRecord) -> dict[str, Any]:
    """Return every field of a letter, as written to a line."""
    history = [msgspec.structs.asdict(failure) for failure in letter.history]
    try:
        body = {"body": letter.body.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(letter.body).decode()}
    rest = {"traceback": letter.traceback, "history": history, "traceparent": letter.traceparent}
    return summary(name, letter) | rest | body


def write_line(name: str, letter: DeadLetterRecord) -> bytes:
    """Encode a letter as a line, including the newline."""
    return msgspec.json.encode(fields(name, letter)) + b"\n"


def numbered(number: int, line: bytes) -> tuple[str, DeadLetterRecord] | None:
    """Name and letter of a line, None for a blank one. Raises LineError."""
    if line.isspace():
        return None
    try:
        return read_line(line)
    except ValueError as error:
        raise LineError(number, str(error)) from None


def read_line(line: bytes) -> tuple[str, DeadLetterRecord]:
    """Parse name and letter. Raises ValueError with the problem."""
    try:
        parsed = _read_line(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    for key in ("type", "group"):
        if not is_name(getattr(parsed, key)):
            raise ValueError(f"{key}: 1 to 128 of A-Z a-z 0-9 _ . -")
    if not _WEBHOOK_ID.fullmatch(parsed.webhook_id):
        raise ValueError("webhook_id: 1 to 255 visible ASCII characters")
    is_own = parsed.letter.startswith(parsed.webhook_id)
    if not is_own or not _NAME_SUFFIX.fullmatch(parsed.letter.removeprefix(parsed.webhook_id)):
        raise ValueError("letter: must be the webhook_id, or the webhook_id followed by '~' and an entry id")
    history = tuple(Failure(*msgspec.structs.astuple(attempt)) for attempt in parsed.history)
    shared = {key: getattr(parsed, key) for key in DeadLetterRecord.__struct_fields__ if hasattr(parsed, key)}
    return parsed.letter, DeadLetterRecord(
        **shared
        | {
            "dead_lettered_at_ms": _dead_lettered_at_ms(parsed),
            "fingerprint": fingerprint(parsed.error_class, parsed.frame, parsed.type, parsed.reason),
            "history": history,
            "body": _body(parsed),
        }
    )


def _dead_lettered_at_ms(parsed: _Line) -> int:
    at_ms = parsed.died_at_ms if parsed.dead_lettered_at_ms is UNSET else parsed.dead_lettered_at_ms
    if at_ms is UNSET:
        raise ValueError("Object missing required field `dead_lettered_at_ms`")
    return at_ms


def _body(parsed: _Line) -> bytes:
    if (parsed.body is None) == (parsed.body_base64 is None):
        raise ValueError("either body or body_base64")
    if parsed.body is not None:
        return parsed.body.encode()
    assert parsed.body_base64 is not None
    try:
        return base64.b64decode(parsed.body_base64, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("body_base64: not base64") from None
