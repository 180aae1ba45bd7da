import json

from hookbus.shared.keys import HOME, Keys
from hookbus.worker.inventory import suspensions
from hookbus.worker.inventory.pauses import Paused, decode
from hookbus.worker.migration.parts import parts

BREAKER = {
    "fingerprint": "a3c7",
    "error": "OSError",
    "since_ms": 1,
    "try_ms": 2,
    "times": 3,
    "prober": "vm.1",
    "frame": "a:b",
}


def of(key: str, **fields: bytes):
    """The old and the new key, and the arguments, of each move of a part."""
    (part,) = [part for part in parts([Keys(0), Keys(1)], ["billing"]) if part.key == key]
    return [(call.keys, call.args) for call in part.calls(fields)]


def test_a_pause_becomes_a_record_beside_those_of_all_groups():
    key = "hookbus:{1}:paused:billing"
    ((names, (field, stored, name, value)),) = of(key, **{"batch.*": b"17"})
    assert (names, field, stored, name) == ((key, Keys(1).paused), "batch.*", b"17", "billing|batch.*")
    assert decode(value) == Paused(17)


def test_a_pause_whose_time_cannot_be_read_stays_a_pause():
    ((_, (_, _, _, value)),) = of("hookbus:{0}:paused:billing", all=b"yesterday")
    assert decode(value) == Paused(0)


def test_an_open_breaker_goes_to_the_hash_of_all_groups_without_its_prober():
    key = "hookbus:{0}:breakers:billing"
    stored = json.dumps(BREAKER).encode()
    ((names, (field, old, name, value)),) = of(key, **{"batch.*": stored})
    assert (names, field, old, name) == ((key, HOME.suspended), "batch.*", stored, "billing|batch.*")
    assert suspensions.decode(value) == suspensions.Opened("a3c7", "OSError", 1, 2, 3, "a:b")


def test_a_breaker_that_cannot_be_read_is_dropped():
    ((_, (_, _, _, value)),) = of("hookbus:{0}:breakers:billing", x=b"\xff")
    assert value == b""
