"""The count of places itself: what it must notice."""

from collections import Counter

import pytest

from hookbus.shared.keys import Keys
from tests.chaos.harness import places
from tests.chaos.harness.places import Places

NAMES = {"wh_1", "wh_2"}


def test_each_in_one_place_is_fine():
    Places(Counter(["wh_1"]), Counter(), Counter()).check(NAMES, {"wh_2", "wh_of_others"})


@pytest.mark.parametrize(
    ("dead", "redelivery", "handled", "problem"),
    [
        (["wh_1"], [], [], "1 nowhere: wh_2"),
        (["wh_1"], ["wh_1"], ["wh_2"], "1 in two places: wh_1"),
        ([], ["wh_1", "wh_1"], ["wh_2"], "1 in two places: wh_1"),
        (["wh_1"], [], ["wh_1", "wh_2"], "1 in two places: wh_1"),
        (["wh_1", "wh_3"], [], ["wh_2"], "1 that nobody sent: wh_3"),
    ],
)
def test_nowhere_and_twice_and_strangers_are_told(dead, redelivery, handled, problem):
    with pytest.raises(AssertionError, match=problem):
        Places(Counter(dead), Counter(), Counter(redelivery)).check(NAMES, handled)


async def test_a_letter_that_one_index_has_and_another_has_not_is_told(client):
    keys = Keys(0)
    await client.execute_command("ZADD", keys.dead("g"), 1, "wh_1")
    await client.execute_command("HSET", keys.dead_data("g"), "wh_1", b"record")
    with pytest.raises(AssertionError, match="by time and by cause"):
        await places.fetch(client, "g", ["batch.failed"])
