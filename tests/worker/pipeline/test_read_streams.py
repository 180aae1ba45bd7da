"""Which streams a reader may read, and the deliveries that it builds of their entries."""

from typing import Any
from unittest.mock import Mock

import pytest

from hookbus.worker.pipeline.read_streams import ReadStreams
from hookbus.worker.pipeline.subscriber import Subscriber
from tests.worker.builders import GROUP, KEYS, OWN_STREAM, STREAM, TYPE, a_context, a_route

OTHER = "batch.failed"


async def handle(event: dict) -> None: ...


def a_subscriber(pattern: str) -> Any:
    subscriber = Mock(spec=Subscriber, paused_streams=set())
    subscriber.route = a_route(handle, pattern)
    return subscriber


@pytest.fixture
def streams() -> ReadStreams:
    """Those of two types, each with a subscription of its own."""
    by_type = {name: a_subscriber(name) for name in (TYPE, OTHER, "made.up")}
    found = ReadStreams(a_context(Mock()), by_type.__getitem__)
    assert found.add([TYPE, OTHER]) == [by_type[TYPE], by_type[OTHER]]
    return found


def may_be_read(streams: ReadStreams) -> set[str]:
    return {name for turns in streams.turns.values() for name in turns.streams}


def test_a_redelivery_stream_comes_and_goes_and_belongs_to_the_subscription_of_its_type(streams):
    assert streams.open([TYPE, "not.read"])
    before = streams.all[OWN_STREAM]
    assert not streams.open([TYPE])
    assert streams.all[OWN_STREAM] is before
    assert (streams.types, streams.redelivered) == ([TYPE, OTHER], [TYPE])
    assert streams.all[OWN_STREAM].subscriber is streams.all[STREAM].subscriber
    assert OWN_STREAM in may_be_read(streams)
    streams.close([TYPE])
    assert streams.redelivered == []
    assert OWN_STREAM not in may_be_read(streams)


def test_both_streams_of_a_paused_type_are_left_out_and_their_deliveries_do_not_begin(streams):
    streams.open([TYPE])
    assert streams.pause(frozenset({TYPE}))
    assert not streams.pause(frozenset({TYPE}))
    assert may_be_read(streams) == {KEYS.stream(OTHER)}
    assert streams.all[STREAM].subscriber.paused_streams == {STREAM, OWN_STREAM}
    streams.close([TYPE])
    assert streams.all[STREAM].subscriber.paused_streams == {STREAM}
    streams.pause(frozenset())
    assert may_be_read(streams) == {STREAM, KEYS.stream(OTHER)}


def test_a_type_that_is_added_while_it_is_paused_is_not_read(streams):
    streams.pause(frozenset({"made.*"}))
    assert len(streams.add(["made.up"])) == 1
    assert may_be_read(streams) == {STREAM, KEYS.stream(OTHER)}


def test_an_unusable_stream_is_left_out_until_it_is_usable(streams):
    streams._here.unusable_keys.add(STREAM, "WRONGTYPE")
    streams.select()
    assert may_be_read(streams) == {KEYS.stream(OTHER)}
    streams._here.unusable_keys.remove(STREAM)
    streams.select()
    assert may_be_read(streams) == {STREAM, KEYS.stream(OTHER)}


def test_a_delivery_knows_where_it_was_read_and_has_the_name_of_its_stream(streams):
    streams.open([TYPE])
    fields = [b"id", b"wh_1", b"src", b"openai", b"at", b"1", b"body", b"{}"]
    for name in (STREAM, OWN_STREAM):
        in_flight = streams.all[name].in_flight(b"5-0", fields, "term", times_delivered=3, deaths=("c@1",))
        assert (in_flight.stream, in_flight.entry_id, in_flight.term) == (name, b"5-0", "term")
        assert (in_flight.is_own_stream, in_flight.is_suspect, in_flight.deaths) == (name == OWN_STREAM, True, ("c@1",))
        assert (in_flight.delivery.webhook_id, in_flight.delivery.group, in_flight.delivery.type) == (
            "wh_1",
            GROUP,
            TYPE,
        )
        assert in_flight.name == f"{streams.all[name].member_prefix}5-0"
