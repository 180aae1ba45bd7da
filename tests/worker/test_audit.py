"""The record of an action, on a real server; `cli/test_actions` has the commands."""

import asyncio

import msgspec
import pytest

from hookbus.shared import scripts
from hookbus.shared.command import FailedError
from hookbus.shared.connection import connect
from hookbus.shared.keys import HOME
from hookbus.shared.settings import ConfigError
from hookbus.worker import audit
from hookbus.worker.audit import Action, Progress

ACTION = Action(verb="dlq redrive", who="ann@desk", criteria={"group": ["billing"]}, matching=3, why="fixed")
PLENTY = 1_000


async def act(client, moved: int = 3, *, is_stopped: bool = False, failure: BaseException | None = None) -> list[str]:
    """Do an action; returns what it warned of."""
    warnings: list[str] = []
    async with audit.recorded(client, ACTION, warnings.append) as progress:
        progress.set(moved, is_stopped=is_stopped)
        if failure is not None:
            raise failure
    return warnings


async def test_an_action_is_recorded_before_it_begins_and_once_when_it_has_ended(client):
    async with audit.recorded(client, ACTION, print) as progress:
        [begun] = await audit.fetch(client, PLENTY)
        assert (begun.result, begun.ended_ms, begun.moved) == ("", None, None)
        await asyncio.sleep(0.002)
        progress.set(2, 1)
    [ended] = await audit.fetch(client, PLENTY)
    assert (ended.result, ended.matching, ended.moved, ended.gone) == ("done", 3, 2, 1)
    assert (ended.verb, ended.who, ended.criteria, ended.why) == (
        "dlq redrive", "ann@desk", {"group": ["billing"]}, "fixed",
    )  # fmt: skip
    assert ended.begun == begun.id
    assert (ended.begun_ms, ended.via, ended.role) == (begun.begun_ms, "tool", "operator")
    assert ended.ended_ms is not None
    assert ended.ended_ms > ended.begun_ms


@pytest.mark.parametrize("kind", ["another type", "forbidden"])
async def test_an_action_that_cannot_be_recorded_does_not_happen_and_says_so(client, redis_url, kind):
    if kind == "forbidden":
        client = connect(redis_url.replace("unix://", "unix://worker:worker@"), "tests")
    else:
        await client.execute_command("SET", HOME.audit, "x")
    with pytest.raises(ConfigError if kind == "forbidden" else FailedError, match=r"nothing was changed.*audit"):
        async with audit.recorded(client, ACTION, print):
            pytest.fail("it happened")
    await client.aclose()


async def test_an_action_is_possible_in_a_full_redis(client, server):
    with server.client() as admin:
        admin.config_set("maxmemory", "1")
    assert await act(client) == []
    [ended] = await audit.fetch(client, PLENTY)
    assert ended.result == "done"


@pytest.mark.parametrize(
    ("failure", "result", "error"),
    [(FailedError("Redis: gone"), "failed", "Redis: gone"), (KeyboardInterrupt(), "stopped", "")],
)
async def test_an_action_that_raises_is_recorded_as_failed_or_stopped(client, failure, result, error):
    with pytest.raises(type(failure)):
        await act(client, failure=failure)
    [ended] = await audit.fetch(client, PLENTY)
    assert (ended.result, ended.error, ended.moved) == (result, error, 3)


async def test_an_action_that_a_person_stops_is_recorded_as_stopped(client):
    await act(client, 1, is_stopped=True)
    assert [(each.result, each.moved) for each in await audit.fetch(client, PLENTY)] == [("stopped", 1)]


async def test_a_warning_tells_that_only_the_end_could_not_be_recorded(client):
    warnings: list[str] = []
    async with audit.recorded(client, ACTION, warnings.append):
        await client.execute_command("DEL", HOME.audit)
        await client.execute_command("SET", HOME.audit, "x")
    [warning] = warnings
    assert warning.startswith("the end of this action could not be recorded: ")


async def test_an_end_is_recorded_although_its_beginning_was_trimmed(client):
    begun = await audit.begin(client, ACTION)
    await client.execute_command("XTRIM", HOME.audit, "MAXLEN", 0)
    await audit.end(client, ACTION, begun, Progress())
    assert [each.begun for each in await audit.fetch(client, PLENTY)] == [begun]


async def test_two_ends_of_one_beginning_lose_none(client):
    """As when a console finds an action interrupted that still runs."""
    begun = await audit.begin(client, ACTION)
    await asyncio.gather(*(audit.end(client, ACTION, begun, Progress()) for _ in range(2)))
    assert [each.begun for each in await audit.fetch(client, PLENTY)] == [begun, begun]


async def test_pages_are_newest_first_and_overlap_in_nothing(client):
    for moved in range(5):
        await act(client, moved)
    first = await audit.fetch(client, 3)
    second = await audit.fetch(client, 3, before=first[-1].id)
    assert [each.moved for each in (*first, *second)] == [4, 3, 2, 1, 0]
    assert await audit.fetch(client, 3, since_ms=first[0].begun_ms + 60_000) == []


async def test_the_last_ones_are_kept(client, monkeypatch):
    monkeypatch.setattr(audit, "KEPT", 200)
    record = msgspec.json.encode(ACTION)
    await scripts.run_all(client, [scripts.Call(scripts.RECORD, (HOME.audit,), (200, record, ""))] * 1000)
    assert 200 <= await client.execute_command("XLEN", HOME.audit) <= 400


@pytest.mark.parametrize("foreign", [b"\xff", b'{"verb": "x", "who": "y", "begun": "x"}'])
async def test_what_hookbus_did_not_write_is_listed_as_unreadable(client, foreign):
    await client.execute_command("XADD", HOME.audit, "*", "action", foreign)
    await act(client)
    assert [each.verb for each in await audit.fetch(client, PLENTY)] == ["dlq redrive", "unreadable"]


async def test_texts_and_values_are_bounded_and_any_bytes_of_an_argument_can_be_kept(client):
    criteria = audit.options(id=[f"wh_{i}" for i in range(1_000)], group="billing", type=(), reason="")
    assert list(criteria) == ["id", "group"]
    assert len(criteria["id"]) == audit.VALUES + 1
    assert criteria["id"][-1] == "… 980 more"
    hostile = msgspec.structs.replace(ACTION, why="\udcff" + "x" * 10_000, who="\udcff")
    async with audit.recorded(client, hostile, print):
        pass
    [ended] = await audit.fetch(client, PLENTY)
    assert ended.why.startswith("\\udcffxxx")
    assert len(ended.why) == audit.TEXT_CHARS


def test_the_filter_has_its_times_as_a_command_takes_them():
    criteria = audit.options(since_ms=1_700_000_000_123, group="billing")
    assert criteria == {"group": ["billing"], "since": ["2023-11-14T22:13:20.123Z"]}
