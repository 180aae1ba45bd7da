"""Whether a worker is ready, and whether it makes progress or had better be ended and started anew.

A read returns by itself, with events, with nothing, or with an error: waiting for a Redis that is down is progress,
since ending the worker would not bring it back. A handler may block the event loop for as long as it may take; reads
can't return meanwhile, so only the time that the loop had counts against them.
"""

from collections.abc import Sequence
from typing import Final

from .pipeline.read import REPLY_TIMEOUT_S

STALE_S: Final = REPLY_TIMEOUT_S + 2
"""A read without return for this long, or a loop without a tick, and the worker is not ready."""

FRUITLESS_S: Final = 15.0
"""Without an outcome written that is to be written, or without a sign of life, for this long the worker is not ready:
longer than a failover takes, and by then others have taken over what it had in hand."""


def unready_reason(loop_age_s: float, silent_s: Sequence[float], failing_s: float, lifeless_s: float) -> str:
    """Why a worker that reads is not ready, "" when it is.

    `failing_s`: since when no outcome could be written; `lifeless_s`: since the last sign of life; see `stall_reason`.
    """
    if loop_age_s > STALE_S:
        return "the event loop is stuck"
    if max(silent_s, default=0.0) > STALE_S:
        return f"a read has not returned for {STALE_S:g} s"
    if failing_s > FRUITLESS_S:
        return f"no outcome could be written to Redis for {FRUITLESS_S:g} s"
    if lifeless_s > FRUITLESS_S:
        return f"no sign of life reached Redis for {FRUITLESS_S:g} s"
    return ""


def stall_reason(loop_age_s: float, silent_s: Sequence[float], longest_block_s: float) -> str:
    """Why there is no progress, "" when there is.

    `loop_age_s`: since the event loop turned; `silent_s`: since which each reader waits for its read to return;
    `longest_block_s`: beyond it the liveness thread gives no sign either, and others take over.
    """
    if loop_age_s > longest_block_s:
        return f"the event loop has not turned for {loop_age_s:.0f} s"
    if max(silent_s, default=0.0) - loop_age_s > STALE_S:
        return f"a read has not returned for {max(silent_s):.0f} s"
    return ""
