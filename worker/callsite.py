"""Where in the user's code hookbus was called, for messages about what it was called with."""

import sys
from pathlib import Path
from types import FrameType

from hookbus import HOME, PACKAGES

_OURS = {HOME / name for name in PACKAGES}


def caller() -> str:
    """` (file:line)` of the innermost code that is not hookbus's own, "" where there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _OURS.intersection(Path(frame.f_code.co_filename).parents):
        frame = frame.f_back
    return "" if frame is None else f" ({frame.f_code.co_filename}:{frame.f_lineno})"
