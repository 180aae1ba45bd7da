"""Determines whether a worker is ready, and whether it makes progress or should be restarted.

A read returns by itself, with events, with nothing, or with an error: waiting for an unreachable Redis is progress, as
a restart of the worker would not help. A handler may block the event loop up to its timeout; reads cannot return
meanwhile, so the time for which the loop was blocked does not count against them.
"""

from collections.abc import Sequence
from typing import Final

from .pipeline.read import REPLY_TIMEOUT_S

STALE_S: Final = REPLY_TIMEOUT_S + 2
"""A worker whose read has not returned, or whose loop has not run, for longer than this is not ready."""

FRUITLESS_S: Final = 15.0
"""A worker that could write no outcome, or not renew its liveness key, for longer than this is not ready: longer than a
failover takes, and by then others have taken over its deliveries."""


def unready_reason(loop_age_s: float, silent_s: Sequence[float], failing_s: float, lifeless_s: float) -> str:
    """Why a worker that reads is not ready, "" if it is.

    `failing_s`: for how long no outcome could be written; `lifeless_s`: since the last renewal of the liveness key;
    `loop_age_s`, `silent_s`: see `stall_reason`.
    """
    if loop_age_s > STALE_S:
        return "the event loop is stalled"
    if max(silent_s, default=0.0) > STALE_S:
        return f"a read has not returned for {STALE_S:g} s"
    if failing_s > FRUITLESS_S:
        return f"no outcome could be written to Redis for {FRUITLESS_S:g} s"
    if lifeless_s > FRUITLESS_S:
        return f"the liveness key could not be renewed for {FRUITLESS_S:g} s"
    return ""


def stall_reason(loop_age_s: float, silent_s: Sequence[float], longest_block_s: float) -> str:
    """Why the worker makes no progress, "" if it does.

    `loop_age_s`: since the event loop last ran; `silent_s`: for how long each reader has waited for its read;
    `longest_block_s`: beyond it the liveness thread stops renewing the key too, and others take over.
    """
    if loop_age_s > longest_block_s:
        return f"the event loop has not turned for {loop_age_s:.0f} s"
    if max(silent_s, default=0.0) - loop_age_s > STALE_S:
        return f"a read has not returned for {max(silent_s):.0f} s"
    return ""
