"""What an operator does with what waits: hastened or dead-lettered is what was planned, or nothing."""

import asyncio
import html
import re
import shlex

import pytest

from hookbus.shared.clock import now_ms
from hookbus.shared.entry import Failure, redelivery_fields
from hookbus.shared.keys import HOME
from hookbus.worker.inventory import registry
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE
from tests.worker.commands import objects
from tests.worker.console.pages.test_plan import ended, form_of, names_left, post
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import start_workers, subscribe
from tests.worker.parked import PACK, an_entry, park, queue

DELAYED = KEYS.delayed(GROUP)


@pytest.fixture
async def bus(client, redis_url):
    """Three parked deliveries of a group with a worker, one of a type that it does not subscribe to, and one queued."""
    await subscribe(client, "response.*")
    await start_workers(client, GROUP)
    await park(client, "wh_0", "wh_1", "wh_2")
    await park(client, "wh_gone", event_type="batch.failed", error="KeyError: 'id'")
    await queue(client, "wh_q")
    return redis_url


async def fail_again(client, name):
    """As when a delivery ran and failed now."""
    failure = Failure(3, await registry.now_ms(client) + 1, 5, "c", "ValueError: again")
    fields = redelivery_fields(an_entry(name), 4, (failure,))
    await client.execute_command("EVAL", PACK, 1, KEYS.delayed_data(GROUP), f"{TYPE}||9-{name}", *fields)
    await client.execute_command("ZADD", DELAYED, now_ms() + 60_000, f"{TYPE}||9-{name}")


async def later(client) -> int:
    """How many parked deliveries are not due."""
    return await client.execute_command("ZCOUNT", DELAYED, now_ms() + 1000, "+inf")


async def test_a_plan_counts_by_the_last_error_names_what_would_wait_and_is_a_command(client, bus):
    async with serving(bus, console_role="operator") as session:
        assert 'value="now"' in (await read(session, f"/retries?group={GROUP}"))[1]
        status, page = await post(session, "/plan", verb="now", group=GROUP, why="INC-7")
        assert (status, "<h1>Hasten 4 deliveries</h1>" in page) == (200, True)
        assert ">ValueError" in page
        assert "1 of billing · batch.failed" in page
        [command] = re.findall(r"<code>(hookbus-worker retries now .*?)</code>", html.unescape(page))
        assert re.fullmatch(r"hookbus-worker retries now --group billing --until 20\S+Z --why INC-7", command)
        _, page = await post(session, "/plan", verb="dead-letter")
        assert "<h1>Dead-letter 5 deliveries</h1>" in page
    dry = await asyncio.to_thread(objects, bus, *shlex.split(command)[1:], "--dry-run", "--json")
    assert dry[0]["matching"] == 4
    assert (await later(client), await client.execute_command("EXISTS", HOME.audit)) == (4, 0)


async def test_what_is_hastened_is_due_and_recorded_and_going_on_counts_it_no_second_time(client, bus):
    async with serving(bus, console_role="operator") as session:
        _, page = await post(session, "/plan", verb="now", type="response.*")
        _, place = await post(session, "/run", **form_of(page), rate="1", why="INC-7")
        await until(lambda: _shows(session, place, "a second · "))
        await post(session, f"{place}/stop")
        entry = await ended(client, place)
        assert (entry.verb, entry.via, entry.role, entry.matching, entry.why, entry.result) == (
            "retries now", "console", "operator", 3, "INC-7", "stopped",
        )  # fmt: skip
        assert entry.criteria["type"] == ["response.*"]
        await until(lambda: _shows(session, place, " left, and wait"))
        _, following = await post(session, f"{place}/go-on")
        rest = await ended(client, following)
    assert (rest.result, rest.moved) == ("done", 3 - entry.moved)
    assert await later(client) == 1


async def _shows(session, place, text):
    return text in (await read(session, place))[1]


async def test_what_failed_or_came_after_the_plan_is_not_dead_lettered(client, bus):
    async with serving(bus, console_role="operator") as session:
        _, page = await post(session, "/plan", verb="dead-letter", group=GROUP, error="ValueError")
        await fail_again(client, "wh_again")
        await until(lambda: _is_over(client, int(form_of(page)["until_ms"])))
        await queue(client, "wh_queued", error="ValueError: no such customer")
        _, place = await post(session, "/run", **form_of(page))
        assert (await ended(client, place)).moved == 3
    assert await names_left(client) == {"wh_0", "wh_1", "wh_2"}


async def _is_over(client, moment_ms):
    return await registry.now_ms(client) > moment_ms


async def test_a_delivery_that_is_no_longer_there_is_said_so_and_nothing_changes(client, bus):
    one = {"group": GROUP, "type": TYPE, "id": "wh_1"}
    async with serving(bus, console_role="operator") as session:
        pages = [(await post(session, "/plan", verb=verb, **one))[1] for verb in ("dead-letter", "now")]
        assert "<h1>Hasten 1 delivery</h1>" in pages[1]
        _, place = await post(session, "/run", **form_of(pages[0]))
        assert (await ended(client, place)).moved == 1
        for path in ("/run", "/plan"):
            status, page = await post(session, path, **form_of(pages[1]))
            assert (status, "Nothing matches." in page) == (409 if path == "/run" else 200, True)
        assert await names_left(client) == {"wh_1"}
        assert await later(client) == 3


@pytest.mark.parametrize(
    ("form", "status", "problem"),
    [
        ({"type": "responses.completed"}, 409, "did you mean response.completed?"),
        ({"group": "biling"}, 409, "did you mean billing?"),
        ({"until_ms": "soon"}, 400, "is no number of milliseconds"),
    ],
)
async def test_a_form_that_is_refused_stays_on_the_page_with_its_filter(client, bus, form, status, problem):
    async with serving(bus, console_role="operator") as session:
        for path in ("/plan", "/run"):
            answered, page = await post(session, path, verb="dead-letter", counted="1", **form)
            page = html.unescape(page)
            assert (answered, problem in page, "Nothing was changed" in page) == (status, True, True)
            assert "<h1>Retries</h1>" in page
        answered, page = await read(session, "/retries?type=responses.completed")
        assert (answered, "Nothing can match" in page) == (404, True)
    assert await names_left(client) == set()


async def test_what_cannot_be_recorded_does_not_happen_and_a_viewer_does_nothing(client, bus):
    await client.execute_command("SET", HOME.audit, "another type")
    async with serving(bus, console_role="operator") as session:
        for verb in ("now", "dead-letter"):
            _, page = await post(session, "/plan", verb=verb)
            status, page = await post(session, "/run", **form_of(page))
            assert (status, "Nothing was changed" in page) == (409, True)
    async with serving(bus) as session:
        assert 'method="post"' not in (await read(session, "/retries"))[1]
        assert (await post(session, "/plan", verb="now"))[0] == 403
    assert (await later(client), await names_left(client)) == (4, set())
