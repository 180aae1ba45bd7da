"""`hookbus-worker replay` as a process: its output, its refusals, and the state after a kill."""

import asyncio
import json
import signal

import pytest

from hookbus.shared import entry
from hookbus.shared.keys import Keys
from tests.programs import Program
from tests.wait import until
from tests.worker.builders import KEYS, OWN_STREAM, STREAM, TYPE
from tests.worker.commands import answered, objects, succeeded, until_alone, worker
from tests.worker.dead_letters import letter, store_letters, subscribe
from tests.worker.retained_events import AT_MS, hand_out, retain

TIMES = {"since": "2023-11-14T22:13:20.003Z", "until": "2023-11-14T22:13:20.005Z"}
"""Three of the events, 1 ms apart."""


def names(count: int) -> list[str]:
    return [f"wh_{i:05}" for i in range(count)]


async def delivered(client, count: int = 10, *types: str, shards: int = 1, patterns: tuple[str, ...] = ("*",)) -> None:
    """A group that has handled `count` events of each type."""
    await subscribe(client, *patterns, shards=shards)
    for kind in types or (TYPE,):
        await retain(client, *names(count), event_type=kind, shards=shards)
    await hand_out(client, *types, shards=shards)


async def replayed(client, shards: int = 1) -> list[str]:
    found = []
    for shard in range(shards):
        stream = Keys(shard).redelivery(TYPE, "billing")
        found += [
            entry.parse(fields).webhook_id for _, fields in await client.execute_command("XRANGE", stream, "-", "+")
        ]
    return found


async def test_it_delivers_all_retained_events_to_the_group_and_prints_how_many(client, redis_url):
    await delivered(client, 10, TYPE, "batch.failed")
    assert succeeded(redis_url, "replay", "billing") == "20 events replayed to billing\n"
    assert await replayed(client) == names(10)
    assert await client.execute_command("XLEN", KEYS.redelivery("batch.failed", "billing")) == 10


@pytest.mark.parametrize("shards", [1, 3])
async def test_filters_apply_and_a_dry_run_prints_counts_by_type_and_replays_nothing(client, redis_url, shards):
    await delivered(client, 10, TYPE, "batch.failed", shards=shards)
    expected = {
        "group": "billing", "dry_run": True, "matching": 6, "types": {"batch.failed": 3, TYPE: 3}, "replayed": 0,
        "gone": 0, "paused": [], "interrupted": False, "rest": None,
    }  # fmt: skip
    between = ("--since", TIMES["since"], "--until", TIMES["until"])
    assert objects(redis_url, "replay", "billing", *between, "--dry-run", "--json") == [expected]
    lines = succeeded(redis_url, "replay", "billing", *between, "--dry-run").splitlines()
    assert [line.split() for line in lines[:3]] == [["TYPE", "EVENTS"], ["batch.failed", "3"], [TYPE, "3"]]
    assert lines[3] == "would replay 6 events to billing"
    assert await client.execute_command("KEYS", "hookbus:*:billing") == []
    (found,) = objects(redis_url, "replay", "billing", *between, "--type", "response.*", "--json")
    assert found == expected | {"dry_run": False, "matching": 3, "types": {TYPE: 3}, "replayed": 3}
    assert await replayed(client, shards) == ["wh_00003", "wh_00004", "wh_00005"] or shards > 1
    assert sorted(await replayed(client, shards)) == ["wh_00003", "wh_00004", "wh_00005"]
    succeeded(redis_url, "replay", "billing", "--id", "wh_00008", "--id", "wh_00001", "--type", TYPE)
    assert len(await replayed(client, shards)) == 5


async def test_events_not_delivered_yet_are_left_out(client, redis_url):
    await subscribe(client)
    await retain(client, "wh_1")
    text = "no events match; those not delivered to billing yet need no replay\n"
    assert succeeded(redis_url, "replay", "billing") == text
    assert objects(redis_url, "replay", "billing", "--json")[0]["matching"] == 0
    found = worker(redis_url, "replay", "billing", "--id", "wh_1")
    assert found.returncode == 1
    assert b"wh_1: no retained event of this id was delivered to billing (events not delivered yet need" in found.stderr
    assert await client.execute_command("KEYS", "hookbus:*:billing") == []


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (("phone",), 1, "hookbus-worker: no group phone; there are: billing\n"),
        (("billing", "--type", "batch.*"), 1, "does not subscribe to batch.*; it subscribes to: response.*\n"),
        (
            ("billing", "--type", "batch.failed"),
            1,
            "does not subscribe to batch.failed; it subscribes to: response.*\n",
        ),
        (("billing", "--type", "response*"), 2, "neither a type nor"),
        (("billing", "--since", "yesterday"), 2, "--since"),
        (("billing", "--until", "2023-13-01"), 2, "--until"),
        (("billing", "--rate", "nan"), 2, "--rate"),
        (("billing", "--rate", "inf"), 2, "--rate"),
        (("billing", "--rate", "-1"), 2, "--rate"),
        (
            ("billing", "--id", "wh_nix", "--id", "wh_00001"),
            1,
            "wh_nix: no retained event of this id was delivered to billing",
        ),
        ((), 2, "GROUP"),
    ],
)
async def test_wrong_arguments_are_refused_and_nothing_is_replayed(client, redis_url, args, code, text):
    await delivered(client, patterns=("response.*",))
    found = worker(redis_url, "replay", *args)
    assert (found.returncode, text in found.stderr.decode()) == (code, True), found.stderr.decode()
    assert await replayed(client) == []


@pytest.mark.parametrize(
    ("answer", "code", "count"), [(b"n\n", 1, 0), (b"\n", 1, 0), (b"y\n", 0, 10), (b"\x03", 130, 0)]
)
async def test_on_a_terminal_it_asks_and_follows_the_answer(client, redis_url, answer, code, count):
    await delivered(client)
    question = b"replay 10 events to billing (no filter)?"
    assert answered(redis_url, "replay", "billing", question=question, answer=answer) == code
    assert len(await replayed(client)) == count


async def test_a_stopped_replay_prints_how_to_continue_and_that_excludes_later_events(client, redis_url):
    await delivered(client, 500)
    with Program("hookbus-worker", "replay", "billing", "--rate", "50", "--json", redis_url=redis_url) as program:
        await until(lambda: client.execute_command("XLEN", OWN_STREAM))
        assert await program.end(signal.SIGINT) == 130
        (result,) = program.lines
    first = await replayed(client)
    assert first == names(500)[: len(first)]
    assert 0 < len(first) < 500
    assert (result["replayed"], result["matching"], result["interrupted"]) == (len(first), 500, True)
    await retain(client, "wh_since", at_ms=AT_MS + 10_000)
    await hand_out(client)
    succeeded(redis_url, "replay", "billing", "--since", result["rest"]["since"], "--until", result["rest"]["until"])
    # The millisecond of the stop is replayed once more; one event was stored in each.
    assert await replayed(client) == first + names(500)[len(first) - 1 :]


async def test_a_killed_replay_has_delivered_whole_batches_from_the_oldest_and_can_be_repeated(client, redis_url):
    await delivered(client, 20_000)
    with Program("hookbus-worker", "replay", "billing", redis_url=redis_url) as program:
        await until(lambda: client.execute_command("XLEN", OWN_STREAM))
        assert await program.end(signal.SIGKILL) == -signal.SIGKILL
    await until_alone(client, "replay")
    first = await replayed(client)
    assert 0 < len(first) < 20_000, "it was killed too early or too late"
    assert len(first) % 200 == 0
    assert first == names(20_000)[: len(first)]
    succeeded(redis_url, "replay", "billing")
    assert await replayed(client) == first + names(20_000)


async def test_events_that_arrive_and_are_handled_during_a_replay_are_not_replayed(client, redis_url):
    await delivered(client, 600)  # more than the read-ahead
    with Program("hookbus-worker", "replay", "billing", "--rate", "300", redis_url=redis_url) as program:
        await until(lambda: client.execute_command("XLEN", OWN_STREAM))
        live = 0
        while program.process.poll() is None:
            live += 1
            await retain(client, f"live_{live}", at_ms=AT_MS + 10_000 + live)
            await hand_out(client)
            await asyncio.sleep(0.01)
        assert await program.until_ended() == 0
        assert program.raw == ["600 events replayed to billing"]
    assert live > 10
    assert await replayed(client) == names(600)


async def test_in_a_full_redis_it_waits_with_a_message_until_there_is_room(client, redis_url):
    await delivered(client, 300)
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    with Program("hookbus-worker", "replay", "billing", redis_url=redis_url) as program:
        await until(lambda: program.raw)
        assert program.raw == ["Redis is more than 80% full: waiting until the workers of billing make room"]
        assert await replayed(client) == []
        await client.execute_command("CONFIG", "SET", "maxmemory", "0")
        assert await program.until_ended() == 0
    assert await replayed(client) == names(300)


async def test_a_failed_replay_prints_how_to_continue(client, redis_url):
    await delivered(client, 300)
    with Program("hookbus-worker", "replay", "billing", "--rate", "20", redis_url=redis_url) as program:
        await until(lambda: client.execute_command("XLEN", OWN_STREAM))
        await client.execute_command("HDEL", KEYS.groups, "billing")
        assert await program.until_ended() == 1
    reached = f"2023-11-14T22:13:20.{len(await replayed(client)) - 1:03}Z"
    assert program.raw == [
        "hookbus-worker: group billing no longer exists; to continue: "
        f"--since {reached} --until 2023-11-14T22:13:20.299Z"
    ]


async def test_a_pause_of_replayed_types_is_printed(client, redis_url):
    await delivered(client)
    succeeded(redis_url, "pause", "billing", "batch.*")
    assert succeeded(redis_url, "replay", "billing") == "10 events replayed to billing\n"
    succeeded(redis_url, "pause", "billing", "response.*")
    text = "10 events replayed to billing; they wait while response.* of billing is paused\n"
    assert succeeded(redis_url, "replay", "billing") == text
    assert objects(redis_url, "replay", "billing", "--dry-run", "--json")[0]["paused"] == ["response.*"]


async def test_entries_not_written_by_hookbus_are_counted_and_left_out(client, redis_url):
    await delivered(client)
    await client.execute_command("XADD", STREAM, f"{AT_MS + 100}-0", "by", "hand")
    await hand_out(client)
    found = worker(redis_url, "replay", "billing")
    assert (found.returncode, found.stdout) == (0, b"10 events replayed to billing\n")
    assert found.stderr == b"1 entry not written by hookbus: left out\n"


async def test_the_letter_of_a_replay_is_shown_as_one(client, redis_url):
    await subscribe(client)
    await store_letters(client, letter("wh_1"), letter("wh_2", is_replay=True))
    assert "replay " not in succeeded(redis_url, "dlq", "show", "wh_1")
    assert "replay       yes" in succeeded(redis_url, "dlq", "show", "wh_2")
    assert json.loads(succeeded(redis_url, "dlq", "show", "wh_2", "--json"))["is_replay"] is True
