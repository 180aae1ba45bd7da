"""The check of locations: the faults that it must detect."""

from collections import Counter

import pytest

from hookbus.shared.keys import Keys
from tests.chaos.harness import locations
from tests.chaos.harness.locations import Locations

NAMES = {"wh_1", "wh_2"}


def test_each_in_one_location_is_fine():
    Locations(Counter(["wh_1"]), Counter(), Counter()).check(NAMES, {"wh_2", "wh_of_others"})


@pytest.mark.parametrize(
    ("dead", "redelivery", "handled", "problem"),
    [
        (["wh_1"], [], [], "1 lost: wh_2"),
        (["wh_1"], ["wh_1"], ["wh_2"], "1 in two locations: wh_1"),
        ([], ["wh_1", "wh_1"], ["wh_2"], "1 in two locations: wh_1"),
        (["wh_1"], [], ["wh_1", "wh_2"], "1 in two locations: wh_1"),
        (["wh_1", "wh_3"], [], ["wh_2"], "1 never sent: wh_3"),
    ],
)
def test_a_lost_a_doubled_and_an_unsent_delivery_are_reported(dead, redelivery, handled, problem):
    with pytest.raises(AssertionError, match=problem):
        Locations(Counter(dead), Counter(), Counter(redelivery)).check(NAMES, handled)


async def test_a_letter_that_only_one_index_has_is_reported(client):
    keys = Keys(0)
    await client.execute_command("ZADD", keys.dead("g"), 1, "wh_1")
    await client.execute_command("HSET", keys.dead_data("g"), "wh_1", b"record")
    with pytest.raises(AssertionError, match="by time and by cause"):
        await locations.fetch(client, "g", ["batch.failed"])
