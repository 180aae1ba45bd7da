import pytest

from hookbus.worker.pipeline.plan import BLOCK_MS, MANY, WARM_S, WIDE_S, Ask, Plan
from hookbus.worker.pipeline.turns import Turns


def of(*streams: str) -> Turns:
    turns = Turns()
    turns.set(streams)
    return turns


def idle(*streams: str) -> Turns:
    turns = of(*streams)
    turns.answered(streams, [], [])
    return turns


def busy(*streams: str) -> Turns:
    turns = of(*streams)
    turns.answered(streams, streams[:1], streams[:1])
    return turns


def many() -> list[str]:
    return [f"s{i}" for i in range(MANY + 1)]


def shapes(asks: list[Ask]) -> list[tuple[list[str], int, int]]:
    return [(ask.streams, ask.count, ask.block_ms) for ask in asks]


def test_one_blocking_read_waits_on_the_streams_of_all_calm_subscriptions():
    asks = Plan().next([(idle("a", "b"), 10), (idle("c"), 3)], 5.0, is_more_left_out=False)
    assert shapes(asks) == [(["a", "b", "c"], 3, BLOCK_MS)]


def test_a_blocking_read_asks_for_one_entry_a_stream_where_there_are_fewer_places():
    assert shapes(Plan().next([(idle("a", "b"), 1)], 5.0, is_more_left_out=False)) == [(["a", "b"], 1, BLOCK_MS)]


def test_a_busy_subscription_gets_as_much_as_it_has_places_and_the_others_are_asked_too_when_it_is_time():
    plan = Plan()
    offers = [(busy("a", "b"), 10), (idle("c"), 3)]
    first = plan.next(offers, 5.0, is_more_left_out=False)
    assert shapes(first) == [(["a", "b"], 5, 0), (["c"], 3, 0)]
    assert [ask.fills for ask in first] == [10, 0]
    soon, later = 5.0 + WIDE_S / 2, 5.0 + WIDE_S * 2
    assert shapes(plan.next(offers, soon, is_more_left_out=False)) == [(["a"], 10, 0)]
    assert len(plan.next(offers, later, is_more_left_out=False)) == 2


def test_nothing_is_asked_without_a_place():
    assert Plan().next([], 5.0, is_more_left_out=True) == []


def test_while_a_subscription_without_a_place_has_more_to_read_the_others_block_only_now_and_then():
    plan = Plan()
    assert shapes(plan.next([(idle("a"), 1)], 5.0, is_more_left_out=True)) == [(["a"], 1, BLOCK_MS)]
    assert plan.next([(idle("a"), 1)], 5.0 + WIDE_S / 2, is_more_left_out=True) == []
    assert len(plan.next([(idle("a"), 1)], 5.0 + WIDE_S / 2, is_more_left_out=False)) == 1


def test_of_many_streams_those_that_brought_something_lately_are_read_apart():
    plan, offers = Plan(), [(idle(*many()), 1000)]
    assert len(plan.next(offers, 5.0, is_more_left_out=False)[0].streams) == MANY + 1
    plan.brought(["s3"], 5.001)
    [apart] = plan.next(offers, 5.001, is_more_left_out=False)
    assert apart.streams == ["s3"]
    assert 0 < apart.block_ms < 10
    now_s = plan.wide_at_s
    assert shapes(plan.next(offers, now_s, is_more_left_out=False)) == [(many(), 15, 0)]


@pytest.mark.parametrize("streams", [["s1", "s2"], many()])
def test_few_streams_and_those_without_a_recent_entry_are_all_waited_for(streams):
    plan, offers = Plan(), [(idle(*streams), 1000)]
    plan.brought(["s1"], 5.0)
    now_s = 5.0 if len(streams) < MANY else 5.0 + WARM_S
    [ask] = plan.next(offers, now_s, is_more_left_out=False)
    assert (ask.streams, ask.block_ms) == (streams, BLOCK_MS)
