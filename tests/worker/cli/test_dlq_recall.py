"""Letters of unsubscribed types: `dlq redrive` leaves them out, `check` reports them, `dlq recall` brings them back."""

from hookbus.shared.keys import Keys
from tests.worker.commands import objects, succeeded, worker
from tests.worker.dead_letters import DEAD_MS, create_groups, letter, start_workers, store_letters

KEYS = Keys(0)
GONE = "eval.run.failed"
STREAM = KEYS.redelivery(GONE, "billing")


async def three_letters(client) -> None:
    """One letter of a type that billing subscribes to, two of a type that it does not."""
    await create_groups(client, "billing")
    await start_workers(client, "billing")
    await client.execute_command("HSET", KEYS.patterns, "billing", "batch.* response.completed")
    letters = [letter(f"wh_{i}", type=GONE, dead_lettered_at_ms=DEAD_MS + i) for i in (2, 3)]
    await store_letters(client, letter("wh_1"), *letters)


async def dead_names(client) -> list[str]:
    return [name.decode() for name in await client.execute_command("ZRANGE", KEYS.dead("billing"), 0, -1)]


async def test_g2_a_redrive_leaves_out_unsubscribed_types_and_prints_how_many(client, redis_url):
    await three_letters(client)
    warning = (
        f"billing does not subscribe to {GONE}: 2 dead letters, not redriven (--include-unsubscribed redrives them)\n"
    )
    dry = worker(redis_url, "dlq", "redrive", "--all", "--dry-run")
    assert (dry.returncode, dry.stderr.decode()) == (0, warning)
    assert dry.stdout.endswith(b"would redrive 1 dead letter, each to its group\n")
    found = worker(redis_url, "dlq", "redrive", "--all")
    assert (found.returncode, found.stdout, found.stderr.decode()) == (1, b"1 dead letter redriven\n", warning)
    assert await dead_names(client) == ["wh_2", "wh_3"]
    named = worker(redis_url, "dlq", "redrive", "--id", "wh_2", "--json")
    assert named.returncode == 1
    assert b'"redriven":0' in named.stdout
    assert b'"left_out":1' in named.stdout
    assert await dead_names(client) == ["wh_2", "wh_3"]
    assert await client.execute_command("EXISTS", STREAM) == 0


async def test_g2_redriven_letters_of_an_unsubscribed_type_are_reported_and_can_be_recalled(client, redis_url):
    await three_letters(client)
    found = worker(redis_url, "dlq", "redrive", "--type", "eval.*", "--include-unsubscribed")
    assert (found.returncode, found.stdout) == (0, b"2 dead letters redriven\n")
    assert found.stderr.decode().endswith(
        "they wait until it does; to undo: hookbus-worker dlq recall --group billing\n"
    )
    assert await dead_names(client) == ["wh_1"]
    text = worker(redis_url, "check").stdout.decode()
    assert f"2 redelivered to billing, which does not subscribe to {GONE}" in text
    assert succeeded(redis_url, "dlq", "recall", "--dry-run") == (
        f"billing · {GONE}: 2 dead letters\nwould recall 2 dead letters\n"
    )
    for other in (("--type", "batch.*"), ("--group", "billing", "--type", "response.completed")):
        assert objects(redis_url, "dlq", "recall", *other, "--json")[0]["matching"] == 0
    assert succeeded(redis_url, "dlq", "recall", "--group", "billing", "--type", GONE) == "2 dead letters recalled\n"
    assert sorted(await dead_names(client)) == ["wh_1", "wh_2", "wh_3"]
    assert succeeded(redis_url, "dlq", "recall").startswith("no redelivery waits for a type")
    assert b"which does not subscribe" not in worker(redis_url, "check").stdout
    assert worker(redis_url, "dlq", "recall", "--group", "nix").returncode == 1
