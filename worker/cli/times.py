"""Times on the command line: ISO 8601, UTC unless it names a zone, or an age: `90s`, `15m`, `2h`, `3d`, `1w`."""

import re
from datetime import UTC, datetime
from typing import Final

from worker.dead_letters import LAST_MS

_AGE: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def parse_time(text: str, now_ms: int) -> int:
    """Unix ms, within what Redis keeps exactly. Raises ValueError that says what is understood."""
    if match := _AGE.fullmatch(text.strip()):
        found = now_ms - round(float(match[1]) * _UNIT_S[match[2]] * 1000)
    else:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            raise ValueError(f"{text!r} is neither an age like 15m, 2h or 3d nor an ISO time") from None
        found = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    return min(max(found, 0), LAST_MS)
