import pytest

from hookbus.worker.watchdog import FRUITLESS_S, STALE_S, stall_reason, unready_reason

BLOCK_S = 40.0


@pytest.mark.parametrize(
    ("loop_age_s", "silent_s", "reason"),
    [
        (0, [], ""),
        (0, [0, 0], ""),  # all wait for slots, or for Redis
        (0.4, [2.1, STALE_S], ""),
        (0.4, [0, STALE_S + 1], "a read has not returned for 9 s"),
        (30, [0, 31], ""),  # a handler blocks the loop, which is allowed
        (30, [0, 30 + STALE_S + 1], "a read has not returned for 39 s"),
        (BLOCK_S, [BLOCK_S], ""),
        (BLOCK_S + 1, [0], "the event loop has not turned for 41 s"),
    ],
)
def test_a_worker_is_stalled_when_its_loop_or_a_read_is_unless_a_handler_blocks(loop_age_s, silent_s, reason):
    assert stall_reason(loop_age_s, silent_s, BLOCK_S) == reason


@pytest.mark.parametrize(
    ("loop_age_s", "silent_s", "failing_s", "lifeless_s", "reason"),
    [
        (0, [], 0, 0, ""),
        (STALE_S, [STALE_S, 0], FRUITLESS_S, FRUITLESS_S, ""),
        (STALE_S + 1, [], 0, 0, "the event loop is stalled"),
        (0, [0, STALE_S + 1], 0, 0, "a read has not returned for 8 s"),
        (0, [], FRUITLESS_S + 1, 0, "no outcome could be written to Redis for 15 s"),
        (0, [], 0, FRUITLESS_S + 1, "the liveness key could not be renewed for 15 s"),
    ],
)
def test_a_worker_is_ready_while_it_reads_writes_and_is_alive(loop_age_s, silent_s, failing_s, lifeless_s, reason):
    assert unready_reason(loop_age_s, silent_s, failing_s, lifeless_s) == reason
