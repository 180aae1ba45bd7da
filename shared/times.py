"""Times on the command line: ISO 8601, UTC unless it names a zone, or an age: `90s`, `15m`, `2h`, `3d`, `1w`."""

import re
from datetime import UTC, datetime
from typing import Final

import typer

from . import clock

LAST_MS: Final = 253_402_300_799_999
"""The end of the year 9999, where datetimes end; far below 2**52, up to which Redis keeps scores exact."""

_AGE: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def parse_time(text: str, now_ms: int) -> int:
    """Unix ms, within the range that Redis keeps exactly. Raises ValueError that names the accepted forms."""
    if match := _AGE.fullmatch(text.strip()):
        time_ms = now_ms - round(float(match[1]) * _UNIT_S[match[2]] * 1000)
    else:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            raise ValueError(f"{text!r} is neither an age like 15m, 2h or 3d nor an ISO time") from None
        time_ms = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    return min(max(time_ms, 0), LAST_MS)


def iso(time_ms: int) -> str:
    """Unix ms as ISO 8601 in UTC, which `parse_time` reads."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(option: str, text: str, default: int) -> int:
    """The time that an option of a command names, Unix ms. Raises typer.BadParameter."""
    if not text:
        return default
    try:
        return parse_time(text, clock.now_ms())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
