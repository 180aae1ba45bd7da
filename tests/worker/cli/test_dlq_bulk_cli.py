"""The commands of `hookbus-worker dlq` that move letters, as processes, including stops and kills."""

import json
import signal
from pathlib import Path

import pytest

from hookbus.shared import entry
from hookbus.shared.keys import Keys
from tests.programs import Program
from tests.wait import until
from tests.worker.commands import answered, objects, succeeded, until_alone, worker
from tests.worker.dead_letters import DEAD_MS, create_groups, letter, start_workers, store_letters

KEYS = Keys(0)
STREAM = KEYS.redelivery("response.completed", "billing")


async def dead_names(client) -> list[str]:
    return [name.decode() for name in await client.execute_command("ZRANGE", KEYS.dead("billing"), 0, -1)]


async def moved_names(client) -> list[str]:
    return [entry.parse(fields).webhook_id for _, fields in await client.execute_command("XRANGE", STREAM, "-", "+")]


async def test_a_redrive_moves_the_letters_that_match_and_prints_how_many(client, redis_url):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"), letter("wh_2"), letter("wh_3", reason="rejected"))
    before = await dead_names(client)
    text = succeeded(redis_url, "dlq", "redrive", "--reason", "attempts_exhausted", "--dry-run")
    assert text.endswith("would redrive 2 dead letters, each to its group\n")
    (found,) = objects(redis_url, "dlq", "redrive", "--all", "--dry-run", "--json")
    [hindrance] = found.pop("hindrances")
    assert (hindrance["why"], hindrance["count"]) == ("no_worker", 3)
    assert found == {"dry_run": True, "matching": 3, "redriven": 0, "gone": 0, "left_out": 0, "interrupted": False}
    await start_workers(client, "billing")
    assert (await dead_names(client), await moved_names(client)) == (before, [])
    (found,) = objects(redis_url, "dlq", "redrive", "--reason", "attempts_exhausted", "--json")
    figures = {"dry_run": False, "matching": 2, "redriven": 2, "gone": 0, "left_out": 0, "interrupted": False}
    assert found == figures | {"hindrances": []}
    assert (await dead_names(client), sorted(await moved_names(client))) == (["wh_3"], ["wh_1", "wh_2"])
    assert succeeded(redis_url, "dlq", "redrive", "--id", "wh_3") == "1 dead letter redriven\n"


async def test_a_discard_without_a_terminal_needs_yes(client, redis_url):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"), letter("wh_2"))
    found = worker(redis_url, "dlq", "discard", "--all", stdin=b"y\n")
    assert found.returncode == 2
    assert b"--yes" in found.stderr
    assert succeeded(redis_url, "dlq", "discard", "--all", "--dry-run").endswith(
        "would discard 2 dead letters for good\n"
    )
    assert await dead_names(client) == ["wh_1", "wh_2"]
    (found,) = objects(redis_url, "dlq", "discard", "--all", "--yes", "--json")
    assert found == {"dry_run": False, "matching": 2, "discarded": 2, "gone": 0, "interrupted": False}
    assert await client.execute_command("KEYS", "*dead*") == []


@pytest.mark.parametrize(
    ("answer", "code", "remaining"), [(b"n\n", 1, 1), (b"\n", 1, 1), (b"y\n", 0, 0), (b"\x03", 130, 1)]
)
async def test_a_discard_on_a_terminal_asks_and_follows_the_answer(client, redis_url, answer, code, remaining):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"))
    question = b"discard 1 dead letter for good (--all)?"
    assert answered(redis_url, "dlq", "discard", "--all", question=question, answer=answer) == code
    assert len(await dead_names(client)) == remaining


async def test_a_killed_redrive_leaves_each_letter_in_exactly_one_place(client, redis_url):
    names = [f"wh_{i:05}" for i in range(10_000)]
    await create_groups(client, "billing")
    await store_letters(client, *(letter(name, dead_lettered_at_ms=DEAD_MS + i) for i, name in enumerate(names)))
    with Program("hookbus-worker", "dlq", "redrive", "--all", redis_url=redis_url) as redrive:
        await until(lambda: client.execute_command("XLEN", STREAM))
        assert await redrive.end(signal.SIGKILL) == -signal.SIGKILL
    await until_alone(client, "dlq")
    dead, moved = await dead_names(client), await moved_names(client)
    assert dead, "it was done before it was killed"
    assert moved, "it was killed before it began"
    assert sorted(dead + moved) == names
    for index in (KEYS.dead_data("billing"), KEYS.dead_fingerprint("billing", letter().fingerprint)):
        kind = await client.execute_command("TYPE", index)
        listed = await client.execute_command(*(("HKEYS", index) if kind == b"hash" else ("ZRANGE", index, 0, -1)))
        assert sorted(name.decode() for name in listed) == sorted(dead)


async def test_ctrl_c_stops_a_redrive_between_batches_and_it_prints_how_many_moved(client, redis_url):
    names = [f"wh_{i:04}" for i in range(500)]
    await create_groups(client, "billing")
    await store_letters(client, *(letter(name) for name in names))
    with Program("hookbus-worker", "dlq", "redrive", "--all", "--rate", "20", "--json", redis_url=redis_url) as redrive:
        await until(lambda: client.execute_command("XLEN", STREAM))
        assert await redrive.end(signal.SIGINT) == 130
        (result,) = redrive.lines
    dead, moved = await dead_names(client), await moved_names(client)
    assert (result["redriven"], result["matching"], result["interrupted"]) == (len(moved), 500, True)
    assert 0 < len(moved) < 500
    assert sorted(dead + moved) == names


@pytest.mark.parametrize("shards", [1, 3])
async def test_exported_letters_are_imported_byte_for_byte(client, redis_url, tmp_path: Path, shards):
    await create_groups(client, "billing", "phone", shards=shards)
    await store_letters(
        client,
        letter("wh_1", body=bytes(range(256))),
        letter("wh_2", body="é\u2028\x00\n".encode(), message="two\nlines \x1b", dead_lettered_at_ms=DEAD_MS + 1),
        letter("wh_3", body=b"", group="phone", history=(), traceparent="", frame=""),
        shards=shards,
    )
    before = await everything(client)
    exported = succeeded(redis_url, "dlq", "export").encode()
    file = tmp_path / "letters.jsonl"
    assert succeeded(redis_url, "dlq", "export", "--file", str(file)) == ""
    assert file.read_bytes() == exported
    succeeded(redis_url, "dlq", "discard", "--all", "--yes")
    assert await client.execute_command("KEYS", "*dead*") == []
    assert succeeded(redis_url, "dlq", "import", str(file)) == "3 dead letters imported, 0 already there\n"
    assert await everything(client) == before
    # A second import, from standard input, writes nothing twice.
    assert objects(redis_url, "dlq", "import", "--json", stdin=exported) == [{"imported": 0, "already_there": 3}]
    assert await everything(client) == before


async def everything(client) -> dict[bytes, object]:
    """Every key about dead letters, with its content."""
    found: dict[bytes, object] = {}
    for key in sorted(await client.execute_command("KEYS", "*dead*")):
        if await client.execute_command("TYPE", key) == b"hash":
            flat = await client.execute_command("HGETALL", key)
            found[key] = dict(zip(flat[::2], flat[1::2], strict=True))
        else:
            found[key] = await client.execute_command("ZRANGE", key, 0, -1, "WITHSCORES")
    return found


async def test_export_writes_the_letters_that_match_oldest_first(client, redis_url):
    await create_groups(client, "billing")
    await store_letters(
        client,
        *(letter(f"wh_{i}", dead_lettered_at_ms=DEAD_MS - i) for i in range(4)),
        letter("wh_r", reason="rejected"),
    )
    found = [each["letter"] for each in objects(redis_url, "dlq", "export", "--reason", "attempts_exhausted")]
    assert found == ["wh_3", "wh_2", "wh_1", "wh_0"]
    assert len(await dead_names(client)) == 5


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({"dead_lettered_at_ms": "soon"}, "dead_lettered_at_ms"), ({"group": "nix"}, "no group nix; there are: billing")],
)
async def test_an_import_stops_at_an_invalid_line_and_prints_how_many_were_imported(
    client, redis_url, changes, problem
):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"))
    good = json.loads(succeeded(redis_url, "dlq", "export"))
    lines = [good | {"letter": f"wh_{i}", "webhook_id": f"wh_{i}"} for i in (1, 2, 3)] + [good | changes, good]
    found = worker(redis_url, "dlq", "import", stdin="\n".join(map(json.dumps, lines)).encode())
    assert found.returncode == 1
    text = found.stderr.decode()
    assert text.startswith("hookbus-worker: -, line 4: ")
    assert problem in text
    assert text.endswith("; before it, 2 dead letters imported, 1 already there\n")
    assert await dead_names(client) == ["wh_1", "wh_2", "wh_3"]


async def test_an_import_into_a_full_redis_fails_with_its_reason(client, redis_url):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"))
    line = succeeded(redis_url, "dlq", "export").encode()
    succeeded(redis_url, "dlq", "discard", "--all", "--yes")
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    found = worker(redis_url, "dlq", "import", stdin=line)
    assert found.returncode == 1
    assert b"maxmemory" in found.stderr
    assert await dead_names(client) == []
