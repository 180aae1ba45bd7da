"""When the console looks, and when what it found is old. Pure; times in seconds.

Looks take a twentieth of Redis' time at most, unless one takes very long. A Redis that hangs is noticed within five
seconds: two between looks, and two in which a quick look should have ended. A look that met a hang says nothing on how
long the next one takes: the quickest of the last three tells what is usual.
"""

from typing import Final

INTERVAL_S: Final = 2.0
PAUSE_TIMES: Final = 20
"""Pauses are at least this many times as long as the look before: the share of its time that Redis gives to looks is
below a twentieth, of which most is ours."""
MAX_PAUSE_S: Final = 6.0
"""Of a look that took long, as on a busy machine: longer pauses would make its figures old."""
GRACE_S: Final = 2.0
GRACE_TIMES: Final = 4
"""Looks differ: one may take this many times as long as the one before, or `GRACE_S`, until the figures are old."""
LOOK_S: Final = 8.0
"""Time limit of a look, as of the exporter's."""
LEAST_LOOK_S: Final = 4.0
"""Time limit of a look after quick ones: sooner than Redis' own time limit for a reply."""
USUAL_OF: Final = 3
"""The quickest of so many looks is the usual one."""


def pause_s(usual_s: float) -> float:
    """The pause between two looks that usually take so long."""
    return min(max(INTERVAL_S, PAUSE_TIMES * usual_s), MAX_PAUSE_S)


def fresh_s(took_s: float, usual_s: float) -> float:
    """How long after its beginning a look that took so long is what Redis would tell now, as far as anybody knows."""
    return took_s + pause_s(usual_s) + max(GRACE_S, GRACE_TIMES * usual_s)


def limit_s(usual_s: float | None) -> float:
    """The time limit of a look that usually takes so long, None after one that failed or before the first."""
    return LOOK_S if usual_s is None else min(max(LEAST_LOOK_S, 2 * GRACE_TIMES * usual_s), LOOK_S)
