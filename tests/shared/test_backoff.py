from hypothesis import given
from hypothesis import strategies as st

from hookbus.shared.backoff import JITTER, Reconnect, jittered_s, step_s


def test_steps_grow_by_the_factor_up_to_the_cap():
    assert [step_s(attempt, base_s=1, factor=2, cap_s=10) for attempt in range(1, 7)] == [1, 2, 4, 8, 10, 10]


@given(st.integers(1, 10_000), st.floats(0.01, 100), st.floats(1, 10), st.floats(0.01, 1e6))
def test_a_step_is_never_above_the_cap_nor_below_the_one_before(attempt, base_s, factor, cap_s):
    now, after = (step_s(n, base_s=base_s, factor=factor, cap_s=cap_s) for n in (attempt, attempt + 1))
    assert 0 < now <= after <= cap_s


@given(st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_jitter_only_adds_and_at_most_a_quarter(wait_s, chance):
    assert wait_s <= jittered_s(wait_s, lambda: chance) <= wait_s * (1 + JITTER)


def test_reconnecting_starts_short_stays_bounded_and_starts_short_again():
    waits = Reconnect()
    found = [waits.next_s() for _ in range(2000)]
    assert 0.05 <= found[0] <= 0.0625
    assert all(2 <= wait_s <= 2.5 for wait_s in found[10:])
    assert waits.reset()
    assert not waits.reset(), "there was no failure since"
    assert waits.next_s() <= 0.0625


def test_the_waits_of_a_reconnect_end_at_their_cap():
    for reconnect, cap_s in ((Reconnect(), 2), (Reconnect(60), 60)):
        waits = [reconnect.next_s() for _ in range(20)]
        assert waits[0] < 0.1
        assert cap_s <= waits[-1] <= cap_s * 1.25
