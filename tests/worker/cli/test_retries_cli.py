"""`hookbus-worker retries` as a process; what is redriven to nobody is reported, and taken back by it."""

import signal

import pytest

from hookbus.shared.clock import now_ms
from hookbus.shared.keys import Keys
from hookbus.worker.inventory.readers import register
from tests.programs import Program
from tests.wait import until
from tests.worker.commands import answered, objects, succeeded, worker
from tests.worker.dead_letters import DEAD_MS, create_groups, letter, start_workers, store_letters, subscribe
from tests.worker.parked import park, queue

KEYS = Keys(0)
GONE = "eval.run.failed"
STREAM = KEYS.redelivery(GONE, "billing")


async def three_letters(client) -> None:
    """One letter of a type that billing subscribes to, two of a type that it does not."""
    await start_workers(client, "billing")
    subscribed = ["batch.*", "response.completed"]
    await subscribe(client, *subscribed)
    await client.execute_command("HSET", KEYS.consumers("billing"), "billing.1", register(1, subscribed, ""))
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


async def test_g2_what_is_redriven_to_nobody_is_reported_and_can_be_taken_back(client, redis_url):
    await three_letters(client)
    found = worker(redis_url, "dlq", "redrive", "--type", "eval.*", "--include-unsubscribed")
    assert (found.returncode, found.stdout) == (0, b"2 dead letters redriven\n")
    undo = ("retries", "dead-letter", "--group", "billing", "--type", GONE)
    assert found.stderr.decode().endswith(f"they wait until it does; to undo: hookbus-worker {' '.join(undo)}\n")
    assert await dead_names(client) == ["wh_1"]
    text = worker(redis_url, "check").stdout.decode()
    assert f"billing: 2 events of {GONE} wait, and the group does not subscribe to it" in text
    assert " ".join(undo) in " ".join(text.split())
    assert [each["state"] for each in objects(redis_url, "retries", "list", "--json")] == ["queued", "queued"]
    text = succeeded(redis_url, *undo, "--dry-run")
    assert text.endswith("would be dead-lettered: 2 deliveries\n")
    assert objects(redis_url, "retries", "dead-letter", "--type", "batch.*", "--json")[0]["matching"] == 0
    assert succeeded(redis_url, *undo) == "2 deliveries dead-lettered\n"
    assert sorted(await dead_names(client)) == ["wh_1", "wh_2", "wh_3"]
    assert b"which does not subscribe" not in worker(redis_url, "check").stdout
    assert succeeded(redis_url, *undo) == "nothing that waits matches\n"


async def ready(client) -> None:
    await create_groups(client, "billing", "phone")
    await start_workers(client, "billing", "phone")
    await park(client, "wh_1", "wh_2", error="ValueError: no such customer \x1b[2J")
    await park(client, "wh_3", group="phone", is_snooze=True, error="RateLimited: wait", due_ms=now_ms() + 90_000)
    await queue(client, "wh_2b")


async def test_a_list_shows_what_waits_in_what_way_and_why_in_80_columns(client, redis_url):
    await ready(client)
    lines = succeeded(redis_url, "retries", "list").splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line.startswith("wh_")] == ["wh_2b", "wh_1", "wh_2", "wh_3"]
    assert "attempt 1 due for" in lines[1]
    assert ", queued" in lines[1]
    assert "billing · response.completed" in lines[2]
    assert any(f"attempt 3 in {seconds}s, parked" in lines[3] for seconds in range(30, 61))
    assert "ValueError: no such customer \\x1b[2J" in lines[4]
    assert succeeded(redis_url, "retries", "list", "--type", "batch.*") == "nothing that waits matches\n"


@pytest.mark.parametrize("columns", ["45", "80", "120"])
async def test_tables_fit_the_terminal_and_keep_whole_ids(client, redis_url, columns):
    await create_groups(client, "billing")
    name, error = "wh_" + "0123456789abcdef" * 2, "ConnectionError: the refund desk is closed until tomorrow at nine"
    await park(client, name, error=error, due_ms=now_ms() + 59 * 60_000)
    for args in (("list",), ("groups",)):
        text = succeeded(redis_url, "retries", *args, COLUMNS=columns)
        assert max(map(len, text.splitlines())) <= int(columns)
        assert len(text.splitlines()) <= 8
        assert "ConnectionError: the" in text
        assert "in 5" in text
    if columns != "45":
        assert name in succeeded(redis_url, "retries", "list", COLUMNS=columns)


async def test_a_list_is_continued_by_the_value_that_it_names(client, redis_url):
    await ready(client)
    first = succeeded(redis_url, "retries", "list", "--limit", "3").splitlines()
    after = first[-1].partition("--after ")[2].strip("'")
    rest = objects(redis_url, "retries", "list", "--after", after, "--json")
    assert [each["webhook_id"] for each in rest] == ["wh_3"]
    assert worker(redis_url, "retries", "list", "--after", "yesterday").returncode == 2


async def test_groups_count_by_the_class_of_the_last_error(client, redis_url):
    await ready(client)
    found = objects(redis_url, "retries", "groups", "--json")
    assert [(each["group"], each["error_class"], each["count"], each["states"]) for each in found] == [
        ("billing", "ValueError", 2, {"parked": 2}),
        ("billing", "", 1, {"queued": 1}),
        ("phone", "RateLimited", 1, {"snoozed": 1}),
    ]
    text = succeeded(redis_url, "retries", "groups", "--error", "ValueError")
    assert text.splitlines()[1].split()[:3] == ["2", "ValueError:", "no"]


async def test_show_prints_everything_about_one_by_the_beginning_of_its_id(client, redis_url):
    await ready(client)
    text = succeeded(redis_url, "retries", "show", "wh_3")
    for part in ("phone", ", snoozed", "RateLimited: wait", "host.1.abcd", "5 ms"):
        assert part in text
    assert (
        worker(redis_url, "retries", "show", "wh_")
        .stderr.decode()
        .startswith("hookbus-worker: 4 deliveries wait: wh_1 in billing, ")
    )
    assert objects(redis_url, "retries", "show", "wh_2", "--json")[0]["webhook_id"] == "wh_2"
    assert b"no delivery of wh_9 waits" in worker(redis_url, "retries", "show", "wh_9").stderr


async def test_now_makes_due_what_matches_and_nothing_else(client, redis_url):
    await ready(client)
    text = succeeded(redis_url, "retries", "now", "--error", "ValueError", "--dry-run")
    assert text.endswith("would be made due: 2 deliveries\n")
    assert succeeded(redis_url, "retries", "now", "--error", "ValueError") == "2 deliveries made due\n"
    (found,) = objects(redis_url, "retries", "now", "--all", "--json")
    assert found == {
        "dry_run": False, "matching": 1, "made_due": 1, "gone": 0, "hindrances": [], "interrupted": False,
    }  # fmt: skip
    assert succeeded(redis_url, "retries", "now", "--all") == "nothing that waits matches\n"


async def test_now_of_everything_asks_and_says_what_will_wait(client, redis_url):
    await ready(client)
    await client.delete(KEYS.alive("phone.1"))
    question = b"now: 3 deliveries (--all)?"
    assert answered(redis_url, "retries", "now", "--all", question=question, answer=b"n\n") == 1
    found = worker(redis_url, "retries", "now", "--group", "phone")
    assert found.stderr.decode() == ("phone · response.completed: 1 will wait: no worker of the group is alive\n")


async def test_ctrl_c_stops_between_batches_and_it_prints_how_many_remain(client, redis_url):
    await ready(client)
    await park(client, *(f"wh_more{i}" for i in range(300)))
    command = ("hookbus-worker", "retries", "dead-letter", "--all", "--rate", "20", "--json")
    with Program(*command, redis_url=redis_url) as program:
        await until(lambda: client.execute_command("EXISTS", KEYS.dead("billing")))
        assert await program.end(signal.SIGINT) == 130
        (result,) = program.lines
    dead = len(objects(redis_url, "dlq", "list", "--json", "--limit", "500"))
    assert (result["dead_lettered"], result["matching"], result["interrupted"]) == (dead, 304, True)
    assert dead + len(objects(redis_url, "retries", "list", "--json", "--limit", "500")) == 304


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (("now",), 2, "--all"),
        (("dead-letter", "--yes"), 2, "--all"),
        (("now", "--state", "queued"), 2, "due already"),
        (("list", "--state", "pakred"), 2, "'pakred' is none of parked, snoozed, queued"),
        (("list", "--group", "nix"), 1, "no group nix"),
    ],
)
async def test_a_wrong_argument_is_refused(client, redis_url, args, code, text):
    await ready(client)
    found = worker(redis_url, "retries", *args)
    assert (found.returncode, text in found.stderr.decode()) == (code, True), found.stderr.decode()
