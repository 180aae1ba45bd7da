import pytest

from hookbus.shared.entry import Entry, Failure
from hookbus.shared.keys import Keys
from hookbus.worker.retries.waiting import Filter, Waiting, of_parked
from tests.worker.parked import PACK

KEYS = Keys(0)
TYPE = "response.completed"


def waiting(state="parked", error="ValueError: no", at_ms=5, name="wh_1") -> Waiting:
    history = (Failure(1, at_ms, 2, "host.1.abcd", error),) if error else ()
    return Waiting(KEYS, "billing", TYPE, state, "m", 7, Entry(name, "openai", 1, b"{}", history=history))


@pytest.mark.parametrize("size", [0, 31, 32, 255, 256, 65_535, 65_536])
async def test_a_parked_body_is_read_byte_for_byte_whatever_its_length(client, size):
    body = (b"\xff\x00\xc3" * size)[:size]
    fields = (b"id", b"wh_1", b"src", b"openai", b"at", b"1", b"body", body, b"attempt", b"3")
    await client.execute_command("EVAL", PACK, 1, KEYS.delayed_data("billing"), "m", *fields)
    packed = await client.execute_command("HGET", KEYS.delayed_data("billing"), "m")
    found = of_parked(KEYS, "billing", f"{TYPE}||1-0", 7, packed, is_snoozed=False)
    assert (found.type, found.state, found.due_ms, found.entry.body) == (TYPE, "parked", 7, body)
    assert (found.entry.webhook_id, found.entry.attempt) == ("wh_1", 3)


@pytest.mark.parametrize("packed", [b"", b"\x90", b"\xc1", b"\x92\x01\x02", b"\x91\xa2id", b"not msgpack"])
def test_damaged_fields_are_an_error_that_names_them(packed):
    with pytest.raises((ValueError, KeyError)):
        of_parked(KEYS, "billing", f"{TYPE}||1-0", 7, packed, is_snoozed=False)


@pytest.mark.parametrize(
    ("criteria", "covers"),
    [
        (Filter(), True),
        (Filter(states=("parked",)), True),
        (Filter(states=("snoozed", "queued")), False),
        (Filter(errors=("ValueError",)), True),
        (Filter(errors=("Value",)), False),
        (Filter(names=("wh_1", "wh_2")), True),
        (Filter(names=("wh_2",)), False),
        (Filter(since_ms=5, until_ms=5), True),
        (Filter(since_ms=6), False),
        (Filter(until_ms=4), False),
    ],
)
def test_a_filter_covers_what_matches_each_given_field(criteria, covers):
    assert criteria.covers(waiting()) is covers


def test_what_never_ran_has_no_error_and_no_time():
    fresh = waiting(error="")
    assert (fresh.last, fresh.error_class) == (None, "")
    assert Filter().covers(fresh)
    assert not Filter(since_ms=1).covers(fresh)


def test_a_filter_is_everything_however_its_deliveries_wait():
    assert Filter(states=("parked",)).is_everything
    assert not Filter(types=("*",)).is_everything
    assert Filter(states=("parked",), errors=("E",)).options() == {"state": ["parked"], "error": ["E"]}
