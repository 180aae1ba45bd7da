"""The commands of `hookbus-worker dlq` that change nothing, as processes."""

import subprocess
from itertools import pairwise

import pytest

from hookbus.shared.clock import now_ms
from hookbus.shared.entry import Failure
from tests.programs import BIN, ROOT
from tests.wait import PATIENCE_S
from tests.worker.commands import environment, objects, succeeded, worker
from tests.worker.dead_letters import DEAD_MS, create_groups, letter, store_letters

LONG = "wh_" + "0123456789abcdef" * 2
UNKNOWN = "{} matches no event type that is known here; did you mean {}?"
SUMMARY = [
    "letter", "group", "type", "webhook_id", "source", "received_at_ms", "dead_lettered_at_ms", "reason", "error_class",
    "message", "frame", "fingerprint", "attempts", "is_replay",
]  # fmt: skip


async def test_a_list_fits_80_columns_with_whole_ids_and_prints_how_many_more_exist(client, redis_url):
    await create_groups(client, "billing")
    message = "a text much too long to stand in a line of eighty characters without being cut"
    await store_letters(
        client, *(letter(f"{LONG}{i}", dead_lettered_at_ms=DEAD_MS + i, message=message) for i in range(3))
    )
    lines = succeeded(redis_url, "dlq", "list", "--limit", "2").splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line.startswith("wh_")] == [f"{LONG}2", f"{LONG}1"]
    below = [after for line, after in pairwise(lines) if line.startswith("wh_")]
    assert all("billing · response.completed" in line and "ValueError: a text" in line for line in below)
    assert sum("being cut" in line for line in lines) == 2  # the end of the message
    assert lines[-2:] == ["2 of 3 dead letters shown; more:", f"  --before {DEAD_MS + 1},{LONG}1"]
    (last,) = objects(redis_url, "dlq", "list", "--before", f"{DEAD_MS + 1},{LONG}1", "--json")
    assert last["letter"] == f"{LONG}0"


async def test_json_has_one_line_per_letter_with_stable_keys(client, redis_url):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"), letter("wh_2", dead_lettered_at_ms=DEAD_MS + 1, reason="rejected"))
    found = objects(redis_url, "dlq", "list", "--json", "--limit", "5")
    assert [each["letter"] for each in found] == ["wh_2", "wh_1"]
    assert all(list(each) == SUMMARY for each in found)
    (group,) = objects(redis_url, "dlq", "groups", "--json", "--reason", "rejected")
    assert group == {
        "fingerprint": letter(reason="rejected").fingerprint,
        "group": "billing",
        "count": 1,
        "type": "response.completed",
        "reason": "rejected",
        "error_class": "ValueError",
        "frame": "handlers.py:record",
        "message": "no such customer",
        "first_dead_lettered_at_ms": DEAD_MS + 1,
        "last_dead_lettered_at_ms": DEAD_MS + 1,
        "last_hour": 0,
    }
    (whole,) = objects(redis_url, "dlq", "show", "wh_1", "--json")
    assert list(whole) == [*SUMMARY, "traceback", "history", "traceparent", "body"]


async def test_filters_on_the_command_line_reach_the_letters(client, redis_url):
    await create_groups(client, "billing", "phone")
    await store_letters(
        client,
        letter("wh_1", type="batch.failed"),
        letter("wh_2", group="phone", dead_lettered_at_ms=DEAD_MS + 86_400_000),
        letter("wh_3", reason="rejected"),
    )

    def names(*args: str) -> list[str]:
        return [each["letter"] for each in objects(redis_url, "dlq", "list", "--json", *args)]

    assert names("--group", "phone") == ["wh_2"]
    assert names("--type", "batch.*", "--type", "eval.*", "--since", "2023-11-14") == ["wh_1"]
    assert names("--reason", "rejected", "--until", "2023-11-15") == ["wh_3"]
    assert names("--id", "wh_1", "--id", "wh_2", "--until", "1h") == ["wh_2", "wh_1"]
    assert names("--fingerprint", letter(reason="rejected").fingerprint.upper()) == ["wh_3"]


async def test_show_prints_everything_and_indents_json_bodies(client, redis_url):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"))
    text = succeeded(redis_url, "dlq", "show", "wh_1")
    for part in (
        "billing",
        "2023-11-14 22:13:20.000Z",
        "attempts_exhausted, 20 attempts",
        "ValueError: no such customer",
        "handlers.py:record",
        letter().fingerprint,
        "host.1.abcd",
        "1.5s",
        "Traceback (most recent call last):",
        '\n  "type": "response.completed"\n',
    ):
        assert part in text
    assert succeeded(redis_url, "dlq", "groups").splitlines()[1].split()[:2] == ["1", letter().fingerprint]


async def test_show_takes_the_beginning_of_an_id_that_only_one_letter_has(client, redis_url):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_ab"), letter("wh_abc"), letter("wh_b"))
    for beginning, name in (("wh_abc", "wh_abc"), ("wh_b", "wh_b"), ("wh_ab", "wh_ab")):
        assert objects(redis_url, "dlq", "show", beginning, "--json")[0]["letter"] == name
    found = worker(redis_url, "dlq", "show", "wh_a")
    assert (found.returncode, found.stdout) == (1, b"")
    assert b"several dead letters begin so: wh_ab, wh_abc" in found.stderr


async def test_texts_are_not_wrapped_and_quick_attempts_took_ms(client, redis_url):
    await create_groups(client, "billing")
    long = "  File " + "a/very/long path " * 12
    history = tuple(Failure(i, DEAD_MS, took, "c", "E") for i, took in ((1, 0), (2, 12), (3, 1500)))
    await store_letters(client, letter("wh_1", traceback=long, body=long.encode(), history=history))
    lines = succeeded(redis_url, "dlq", "show", "wh_1").splitlines()
    assert lines.count(long.rstrip()) == 1
    assert lines.count(long) == 1
    assert all(any(took in line for line in lines) for took in ("<1 ms", "12 ms", "1.5s"))


async def test_groups_tell_the_deaths_of_the_last_hour(client, redis_url):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"), letter("wh_2", dead_lettered_at_ms=now_ms()))
    lines = succeeded(redis_url, "dlq", "groups").splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["2", "+1/h"]


async def test_notes_beside_json_are_for_terminals_only(client, redis_url):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"), letter("wh_2"))
    assert worker(redis_url, "dlq", "list", "--limit", "1", "--json").stderr == b""


@pytest.mark.parametrize("body", [b"\x00\xff\r\n", b"", b"[" * 5000])
async def test_show_body_writes_the_exact_bytes(client, redis_url, body):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1", body=body))
    assert worker(redis_url, "dlq", "show", "wh_1", "--body").stdout == body
    assert f"body, {len(body):,} bytes" in succeeded(redis_url, "dlq", "show", "wh_1")


async def test_show_requires_a_group_when_several_have_the_letter(client, redis_url):
    await create_groups(client, "billing", "phone")
    await store_letters(client, letter("wh_1"), letter("wh_1", group="phone"))
    found = worker(redis_url, "dlq", "show", "wh_1")
    assert found.returncode == 1
    assert b"wh_1 is a dead letter of several groups: billing, phone; choose one with --group" in found.stderr
    assert objects(redis_url, "dlq", "show", "wh_1", "--group", "phone", "--json")[0]["group"] == "phone"


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["list", "--group", "bling"], 1, "no group bling; there are: billing, phone; did you mean billing?"),
        (["export", "--group", "bling"], 1, "no group bling; there are: billing, phone; did you mean billing?"),
        (["show", "wh_9"], 1, "no dead letter wh_9"),
        (["redrive", "--id", "wh_9"], 1, "no dead letter wh_9"),
        (["list", "--reason", "bored"], 2, "'bored' is none of attempts_exhausted"),
        (["list", "--reason", "r3jected"], 2, "did you mean rejected?"),
        (
            ["list", "--type", "response.failedd"],
            1,
            UNKNOWN.format("response.failedd", "response.failed"),
        ),
        (["groups", "--type", "batch"], 1, UNKNOWN.format("batch", "batch.*")),
        (
            ["redrive", "--type", "resp0nse.*"],
            1,
            UNKNOWN.format("resp0nse.*", "response.*"),
        ),
        (["export", "--type", "x.y"], 1, "x.y matches no event type that is known here"),
        (["discard", "--fingerprint", "zzz", "--yes"], 2, "'zzz' is no fingerprint"),
        (["list", "--since", "1h", "--until", "2h"], 2, "later than --until"),
        (["list", "--since", "2999-01-01"], 2, "has not come yet"),
        (["list", "--before", "wh_1"], 2, "not a value that a list has named"),
        (["list", "--since", "yesterday"], 2, "neither an age like 15m"),
        (["retry"], 2, "No such command 'retry'. Did you mean 'redrive'?"),
        (["redrive"], 2, "--all"),
        (["discard", "--yes"], 2, "--all"),
        (["redrive", "--all", "--rate", "nan"], 2, "--rate"),
        (["import", "no/such/file"], 1, "no/such/file: No such file or directory"),
    ],
)
async def test_a_wrong_argument_is_reported_in_one_line_with_its_exit_code(client, redis_url, args, code, text):
    await create_groups(client, "billing", "phone")
    found = worker(redis_url, "dlq", *args)
    assert (found.returncode, found.stdout) == (code, b"")
    error = " ".join(found.stderr.decode().replace("│", " ").split())
    assert text in error if code == 2 else error == f"hookbus-worker: {text}"


def test_an_unreachable_redis_is_reported_in_one_line():
    for args in (("dlq", "list"), ("status",), ("dlq", "redrive", "--all")):
        found = worker("unix:///nowhere.sock", *args)
        assert found.returncode == 1
        assert found.stderr.startswith(b"hookbus-worker: Redis: ")
        assert found.stderr.count(b"\n") == 1


def test_a_wrong_configuration_is_reported_with_what_gave_it():
    found = worker("http://nowhere", "dlq", "list")
    assert (found.returncode, found.stderr[:35]) == (78, b"hookbus-worker: HOOKBUS_REDIS_URL: ")


async def test_without_dead_letters_a_sentence_is_printed(client, redis_url):
    assert succeeded(redis_url, "dlq", "list") == "no dead letters\n"
    assert succeeded(redis_url, "dlq", "groups") == "no dead letters\n"
    assert succeeded(redis_url, "dlq", "redrive", "--all") == "no dead letters match\n"
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"), letter("wh_2"))
    for verb in ("list", "groups"):
        assert succeeded(redis_url, "dlq", verb, "--type", "batch.*") == "none of 2 dead letters matches\n"


async def test_control_characters_of_letters_do_not_reach_the_terminal(client, redis_url):
    await create_groups(client, "billing")
    evil = "\x1b[2J\x9b31m\u202e[bold]x[/bold]\x07"
    history = (Failure(1, DEAD_MS, 1, evil, evil),)
    await store_letters(
        client, letter("wh_1", message=evil, traceback=evil, body=evil.encode(), frame=evil, history=history)
    )
    for args in (("list",), ("groups",), ("show", "wh_1")):
        text = succeeded(redis_url, "dlq", *args, FORCE_COLOR="", COLUMNS="200")
        assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(text)
        assert r"\x1b[2J" in text
        assert "[bold]x[/bold]" in text


async def test_a_closed_pipe_ends_the_export_without_a_traceback(client, redis_url):
    await create_groups(client, "billing")
    await store_letters(client, *(letter(f"wh_{i}", body=b"x" * 2000) for i in range(500)))
    with subprocess.Popen(
        [str(BIN / "hookbus-worker"), "dlq", "export"],
        cwd=ROOT,
        env=environment(redis_url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"letter":"wh_')
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 1
        assert b"Traceback" not in process.stderr.read()
