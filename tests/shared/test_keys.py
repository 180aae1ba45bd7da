from hookbus.shared import keys
from hookbus.shared.keys import Keys
from hookbus.shared.process_name import new_name


def test_every_key_of_a_shard_carries_its_hash_tag():
    shard = Keys(3)
    named = [
        shard.stream("a.b"), shard.redelivery("a.b", "g"), shard.seen(1), shard.types, shard.groups,
        shard.delayed("g"), shard.delayed_data("g"), shard.snoozed("g"), shard.dead("g"), shard.dead_data("g"),
        shard.dead_fingerprint("g", "f"), shard.dead_fingerprints("g"), shard.consumers("g"), shard.alive("c"),
        shard.deaths("g"), shard.losses, shard.recovered("g"), shard.recovered_data("g"),
    ]  # fmt: skip
    assert all(key.startswith("hookbus:{3}:") for key in named)
    assert len(set(named)) == len(named)


def test_the_same_webhook_id_is_always_on_the_same_shard():
    assert [keys.shard_of("wh_1", 4) for _ in range(3)] == [keys.shard_of("wh_1", 4)] * 3
    assert {keys.shard_of(f"wh_{i}", 4) for i in range(100)} == {0, 1, 2, 3}


def test_names_that_would_break_a_key_are_refused():
    assert all(keys.is_name(name) for name in ("response.completed", "a", "A-1_b", "x" * 128))
    assert not any(keys.is_name(name) for name in ("", "a:b", "{a}", "a b", "x" * 129, "é", "a\n"))


def test_a_quarantine_process_is_told_from_a_worker_by_its_name_alone():
    worker = new_name()
    child = f"{worker}{keys.QUARANTINED}"
    assert [keys.is_worker(name) for name in (worker, child, keys.HANDOVER)] == [True, False, False]
    assert [keys.is_quarantined(name) for name in (worker, child, "quarantine.1.00000000")] == [False, True, False]
    assert keys.is_name(child)


def test_a_key_tells_its_shard():
    assert keys.of(Keys(12).redelivery("a.b", "g")) == Keys(12)
