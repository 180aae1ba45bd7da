"""Which moves ask on a terminal, and what they ask."""

import pytest

from hookbus.shared.keys import Keys
from hookbus.worker.cli.moving import ASK_ABOVE
from tests.worker.commands import answered, succeeded, typed, worker
from tests.worker.dead_letters import create_groups, letter, start_workers, store_letters

KEYS = Keys(0)


async def ready(client, count: int) -> None:
    await create_groups(client, "billing")
    await start_workers(client, "billing")
    await store_letters(client, *(letter(f"wh_{i}") for i in range(count)))


async def left(client) -> int:
    return await client.execute_command("ZCARD", KEYS.dead("billing"))


async def test_without_a_filter_it_asks_and_names_count_and_filter(client, redis_url):
    await ready(client, 1)
    question = b"redrive 1 dead letter (--all)?"
    assert answered(redis_url, "dlq", "redrive", "--all", question=question, answer=b"n\n") == 1
    assert await left(client) == 1


@pytest.mark.parametrize(("count", "asks"), [(ASK_ABOVE, False), (ASK_ABOVE + 1, True)])
async def test_a_filtered_move_asks_above_a_hundred(client, redis_url, count, asks):
    await ready(client, count)
    args = ("dlq", "redrive", "--group", "billing", "--type", "response.*")
    if asks:
        question = b"redrive 101 dead letters (--group billing --type 'response.*')?"
        assert answered(redis_url, *args, question=question, answer=b"\n") == 1
    else:
        assert b"100 dead letters redriven" in typed(redis_url, *args)
    assert await left(client) == (count if asks else 0)


async def test_yes_and_a_dry_run_do_not_ask(client, redis_url):
    await ready(client, 2)
    assert b"would redrive 2 dead letters" in typed(redis_url, "dlq", "redrive", "--all", "--dry-run")
    assert b"2 dead letters redriven" in typed(redis_url, "dlq", "redrive", "--all", "--yes")


async def test_without_a_terminal_only_what_is_final_needs_yes(client, redis_url):
    await ready(client, ASK_ABOVE + 1)
    found = worker(redis_url, "dlq", "discard", "--group", "billing", stdin=b"y\n")
    assert (found.returncode, b"--yes" in found.stderr) == (2, True)
    assert succeeded(redis_url, "dlq", "redrive", "--all") == "101 dead letters redriven\n"


async def test_one_letter_is_asked_about_before_it_is_discarded(client, redis_url):
    await ready(client, 1)
    args = ("dlq", "discard", "--id", "wh_0")
    question = b"discard 1 dead letter for good (--id wh_0)?"
    assert answered(redis_url, *args, question=question, answer=b"y\n") == 0
    assert await left(client) == 0
