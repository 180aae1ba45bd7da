"""The names of the runs of `hookbus-worker verify`. Each run has an event type and a group of its name."""

import re
import secrets
from typing import Final

from .keys import RESERVED

PREFIX: Final = f"{RESERVED}verify."
_SHAPE: Final = re.compile(rf"{re.escape(PREFIX)}(\d{{10,13}})-[0-9a-f]{{12}}", re.ASCII)
"""Unix seconds of its start, and a random part."""


def new_name(now_ms: int) -> str:
    """A unique name."""
    return f"{PREFIX}{now_ms // 1000:010}-{secrets.token_hex(6)}"


def is_run(name: str) -> bool:
    """Whether a type or a group has the name of a run."""
    return _SHAPE.fullmatch(name) is not None


def began_s(name: str) -> int:
    """Unix seconds of the start of a run; 0 for another name."""
    match = _SHAPE.fullmatch(name)
    return int(match[1]) if match else 0
