"""Every page of the console: at its path, or as the answer to a form. `test_access` fails for a route that it lacks."""

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, NamedTuple

from redis.asyncio import Redis

from hookbus.shared.keys import HOME
from hookbus.shared.rejection import encode
from hookbus.worker import audit
from hookbus.worker.audit import Action
from hookbus.worker.console import job_store
from hookbus.worker.console.job_store import Confirmed, Numbers
from hookbus.worker.dlq import jsonl
from hookbus.worker.inventory import pauses, suspensions
from hookbus.worker.inventory.readers import register
from hookbus.worker.inventory.suspensions import Opened
from tests.ingest.test_rejections import a_rejection
from tests.programs import SECRET
from tests.worker.builders import GROUP, KEYS, TYPE, join, store
from tests.worker.dead_letters import create_groups, letter, store_letters, subscribe
from tests.worker.parked import park

if TYPE_CHECKING:
    from playwright.async_api import Page

PATHS: Final = (
    "/",
    "/dead",
    "/dead?group=billing&fingerprint=none",
    f"/dead/{GROUP}/wh_dead",
    f"/dead/{GROUP}/wh_gone",
    "/events",
    "/events?type=none.*",
    "/event",
    "/event?id=wh_1",
    f"/groups/{GROUP}",
    "/groups/forgotten",
    "/retries",
    "/processes",
    "/rejected",
    "/actions",
    "/health",
    "/nowhere",
)
SENDING: Final = {
    "HOOKBUS_WORKER_CONSOLE_SEND_URL": "http://127.0.0.1:9/webhooks/openai",
    "HOOKBUS_WORKER_CONSOLE_SEND_SECRET": SECRET,
}
"""The settings without which a console has no form for test events; nothing is sent."""


class Form(NamedTuple):
    """The route that answers with the page, where it begins, and its steps: a script that fills in, a button's name."""

    route: str
    start: str
    steps: tuple[tuple[str, str], ...]


def _file(text: str) -> str:
    """A script that chooses a file."""
    return f"""const chosen = new DataTransfer();
        chosen.items.add(new File([{json.dumps(text)}], "letters.jsonl"));
        document.querySelector("[type=file]").files = chosen.files"""


_UNCOUNTED: Final = "document.querySelector('[name=counted]').value = '0'"
FORMS: Final = (
    Form("/plan", "/dead", (("", "Redrive these…"),)),
    Form("/plan", "/dead", (("", "Discard these…"),)),
    Form("/plan", "/retries", (("", "Hasten these…"),)),
    Form("/plan", f"/groups/{GROUP}", (("", "Replay these…"),)),
    Form("/plan", f"/groups/{GROUP}", (("", "Forget…"),)),
    Form("/run", "/dead", (("", "Redrive these…"), (_UNCOUNTED, "Redrive 1"))),
    Form("/import", "/dead", ((_file(jsonl.write_line("wh_dead", letter("wh_dead")).decode()), "Import"),)),
    Form("/import", "/dead", ((_file("no letter\n"), "Import"),)),
    Form(f"/groups/{GROUP}/pause", f"/groups/{GROUP}", (("", "Pause…"),)),
    Form(f"/groups/{GROUP}/resume", f"/groups/{GROUP}", (("", "Resume all"),)),
    Form("/events/send", "/events", (("", "Send…"),)),
)
"""None of them changes anything in what `fill` has written."""
LEADING: Final = ("/jobs/1-1/stop", "/jobs/1-1/go-on")
"""Forms that lead to the page of a job."""
DOWNLOADS: Final = ("/export", f"/dead/{GROUP}/wh_dead/body", "/event/body")


async def fill(client: Redis) -> str:
    """Write something for each page, with names that are long. Returns the path of a job whose console is gone."""
    await create_groups(client, GROUP, "audit")
    for group in (GROUP, "audit"):
        await subscribe(client, TYPE, group=group)
    await join(client)
    await store(client, "wh_1")
    await park(client, "wh_parked", error="x" * 300)
    opened = Opened("f", "ConnectionError: " + "closed " * 20, 1, 2)
    await client.execute_command("HSET", suspensions.KEY, suspensions.field(GROUP, TYPE), suspensions.encode(opened))
    await pauses.write(client, [KEYS], GROUP, "response.*", "for " + "a long reason " * 10)
    for name in ("host", "host.example.com"):
        await client.execute_command("HSET", KEYS.consumers(GROUP), f"{name}.1.ab", register(1, [TYPE], ""))
    await client.execute_command("XADD", HOME.rejections, "*", "rejection", encode(a_rejection(path="/a" * 90)))
    await store_letters(client, letter("wh_dead", message="x" * 300, frame="/srv/" + "very_long/" * 20))
    who = "ann@" + "host" * 20
    await audit.begin(client, Action(verb="forget", who=who, criteria={"group": ["forgotten"]}, why="INC-7 " * 20))
    action = Action(verb="dlq redrive", who=who, via="console", matching=9, why="INC-7")
    job_id = await audit.begin(client, action)
    await job_store.create(client, job_id, Confirmed(action, {"verb": "redrive"}, 9, 1.0))
    await job_store.beat(client, job_id, Numbers(1, moved=3))
    return f"/jobs/{job_id}"


async def visits(page: "Page", job: str) -> AsyncIterator[str]:
    """Open one page after the other; a name for each."""
    for path in (*PATHS, job):
        await page.goto(path)
        yield path
    for form in FORMS:
        await page.goto(form.start)
        for script, button in form.steps:
            await page.evaluate(f"() => {{ {script} }}")
            async with page.expect_navigation():
                await page.get_by_role("button", name=button).first.click()
        yield " ".join((form.route, form.start, *(button for _, button in form.steps)))
