"""Lifespans in the real program: in order with its start and its stop, bounded, and its own in a quarantine process."""

import asyncio
import sys

import pytest

from tests.end_to_end.test_quarantine import suspect
from tests.programs import Program, Worker
from tests.wait import until
from tests.worker.builders import store

MODULE = """
import asyncio, logging, os, time
from contextlib import asynccontextmanager
from hookbus import App, Delivery

def say(text):
    logging.warning("%s %d", text, os.getpid())  # in order with the lines of the worker

@asynccontextmanager
async def lifespan(app):
    say("opens")
    {opening}
    try:
        yield {{"pid": os.getpid()}}
    finally:
        say("closes")
    {closing}
    say("closed")

app = App("suspected", lifespan=lifespan)

@app.on("response.*")
async def handle(event: dict, delivery: Delivery) -> None:
    say("begins")
    if event["data"]["id"] == "crash":
        asyncio.get_running_loop().stop()
    await asyncio.sleep(event["data"]["id"] in ("slow", "crash"))
    assert delivery.state["pid"] == os.getpid()
    say("handled")

@app.on("batch.*")
def plain(event: dict, delivery: Delivery) -> None:
    assert delivery.state["pid"] == os.getpid()
    say("plain")
"""


@pytest.fixture
def worker(tmp_path, redis_url):
    def make(opening: str = "...", closing: str = "...") -> Worker:
        (tmp_path / "mine.py").write_text(MODULE.format(opening=opening, closing=closing))
        return Worker(redis_url, "mine:app", cwd=tmp_path)

    return make


def said(worker: Program) -> list[str]:
    """What the module logged, with the log events between."""
    events = ("working", "draining", "stopped", "crashed", "lifespan_failed")
    words = [str(line.get("event", "")).partition(" ")[0] for line in list(worker.lines)]
    return [word for word in words if word in (*events, "opens", "begins", "handled", "plain", "closes", "closed")]


async def test_it_opens_before_the_work_and_closes_after_the_drain(worker, client):
    with worker() as running:
        await running.until_working()
        await store(client, "wh_1", event_type="batch.completed")
        await until(lambda: "plain" in said(running))
        await store(client, "wh_2", id="slow")
        await until(lambda: "begins" in said(running))
        assert await running.end() == 0
    assert said(running) == [
        "opens", "working", "plain", "begins", "draining", "handled", "closes", "closed", "stopped",
    ]  # fmt: skip


async def test_it_closes_once_after_a_crash_of_the_worker(worker, client):
    await store(client, "wh_1", id="crash")
    with worker() as running:
        assert await running.until_ended() == 1
    assert said(running) == ["opens", "working", "begins", "crashed", "closes", "closed"]


async def test_one_that_ends_by_itself_is_a_crash(worker):
    with worker(opening="asyncio.get_running_loop().call_later(0.5, asyncio.current_task().cancel)") as running:
        assert await running.until_ended() == 1
    assert said(running) == ["opens", "working", "closes", "crashed"]
    [crash] = running.logged("crashed")
    assert crash["reason"].startswith("CrashError: the lifespan of group suspected (")
    assert crash["reason"].endswith("lifespan) ended by itself: CancelledError")


async def test_a_failure_to_open_ends_with_1_and_the_users_line_and_traceback(worker, tmp_path):
    with worker(opening="raise OSError('no database')") as running:
        assert await running.until_ended() == 1
    of_def, line = (MODULE.splitlines().index(text) + 1 for text in ("@asynccontextmanager", "    {opening}"))
    text = "\n".join(running.raw)
    head = f"hookbus-worker: the lifespan of group suspected ({tmp_path}/mine.py:{of_def} lifespan) failed: "
    assert f"{head}OSError: no database ({tmp_path}/mine.py:{line})\nTraceback" in text
    assert not running.logged("crashed")


async def test_a_refused_configuration_ends_with_78(worker):
    opening = "from hookbus.shared.settings import ConfigError; raise ConfigError(['BILLING_DSN is not set'])"
    with worker(opening=opening) as running:
        assert await running.until_ended() == 78
    assert running.raw[-1].startswith("hookbus-worker: the lifespan of group suspected (")
    assert running.raw[-1].endswith("): BILLING_DSN is not set")


async def test_a_stop_while_it_opens_ends_at_once_with_0(worker):
    with worker(opening="await asyncio.sleep(1000)") as running:
        await until(lambda: said(running) == ["opens"])
        assert await running.end() == 0
    assert said(running) == ["opens", "stopped"]


async def test_an_error_while_it_closes_is_logged_and_the_exit_code_is_0(worker):
    with worker(closing="raise OSError('lost')") as running:
        await running.until_working()
        assert await running.end() == 0
    assert said(running) == ["opens", "working", "draining", "closes", "lifespan_failed", "stopped"]
    assert "OSError: lost" in running.logged("lifespan_failed")[0]["exception"]


async def test_a_quarantine_process_has_its_own(worker, client):
    await suspect(client, wh_1="ok")
    with worker() as running:
        await until(lambda: "handled" in said(running))
        assert await running.end() == 0
    words = [line["event"].split() for line in running.lines]
    pids = {word[1] for word in words if word[0] == "opens"}
    assert len(pids) == 2
    assert sorted(word[1] for word in words if word[0] == "closed") == sorted(pids)
    [child] = [word[1] for word in words if word[0] == "handled"]
    assert child in pids - {str(running.process.pid)}


BLOCKING = """
import asyncio, sys, time
from contextlib import asynccontextmanager
from hookbus import App
from hookbus.shared import log
from hookbus.worker import lifespans
from hookbus.worker.pipeline.routes import build

lifespans.OPEN_S = lifespans.CANCEL_S = lifespans.BLOCKED_S = 0.1
log.configure()

@asynccontextmanager
async def lifespan(app):
    if sys.argv[1] == "opens":
        time.sleep(100)
    yield
    time.sleep(100)

app = App("billing", lifespan=lifespan)

@app.on("*")
async def handle(event: dict) -> None: ...

async def main():
    spans = lifespans.Lifespans(build([app], 30.0), owns_process=True)
    await spans.open(asyncio.Event())
    await spans.close(0.1)

asyncio.run(main())
"""


@pytest.mark.parametrize(("moment", "reason"), [("opens", "it did not open"), ("closes", "it did not close")])
async def test_one_that_blocks_the_event_loop_ends_the_process_with_1_and_a_line(tmp_path, moment, reason):
    script = tmp_path / "blocking.py"
    script.write_text(BLOCKING)
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, moment, stderr=asyncio.subprocess.PIPE, cwd=tmp_path
    )
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert '"event": "lifespan_hangs"' in errors.decode()
    assert reason in errors.decode()
