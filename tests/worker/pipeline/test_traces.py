import json
from types import SimpleNamespace

import pytest

from hookbus.shared import log
from hookbus.worker.pipeline import traces
from hookbus.worker.pipeline.cause import describe
from hookbus.worker.pipeline.outcome import ACK, DeadLetter, Park
from hookbus.worker.pipeline.traces import Traces
from tests.programs import Worker
from tests.worker.builders import TYPE, store


def fail_with(kind: type[Exception]):
    raise kind("no")


def cause_of(kind: type[Exception]):
    try:
        fail_with(kind)
    except Exception as error:
        return describe(error)


def test_the_first_error_of_a_kind_is_logged_with_its_traceback_and_all_with_their_frame():
    tracebacks = Traces()
    first = tracebacks.fields(Park(1, cause_of(ValueError)), TYPE)
    assert first["exception"].startswith("Traceback")
    assert first["frame"].startswith(f"{__file__}:")
    assert tracebacks.fields(Park(1, cause_of(ValueError)), TYPE).keys() == {"frame"}
    assert tracebacks.fields(DeadLetter("attempts_exhausted", cause_of(ValueError)), TYPE).keys() == {"frame"}
    assert "exception" in tracebacks.fields(Park(1, cause_of(KeyError)), TYPE)
    assert tracebacks.fields(ACK, TYPE) == {}


def test_on_a_terminal_all_lines_have_their_traceback(monkeypatch):
    monkeypatch.setattr(log, "_sink", SimpleNamespace(is_on_terminal=True))
    tracebacks = Traces()
    for _ in range(3):
        assert "exception" in tracebacks.fields(Park(1, cause_of(ValueError)), TYPE)


def test_the_memory_of_kinds_is_bounded(monkeypatch):
    monkeypatch.setattr(traces, "MAX_KINDS", 3)
    tracebacks = Traces()
    for number in range(10):
        tracebacks.fields(Park(1, cause_of(type(f"E{number}", (Exception,), {}))), TYPE)
    assert len(tracebacks._shown) == 3


HANDLERS = """
import asyncio, contextvars, logging, threading
import structlog
from hookbus import App, Retry, Breaker
app = App("g")
mine = contextvars.ContextVar("mine", default="")
def tell(what):
    leaked = mine.get() or structlog.contextvars.get_contextvars()
    structlog.get_logger().info(f"{what} by structlog", leaked=leaked)
    logging.getLogger("mine").warning(f"{what} by logging")
    mine.set(what)
    structlog.contextvars.bind_contextvars(mine=what)
@app.on("response.completed", retry=Retry(attempts=3, base=0.05), breaker=Breaker(2, 60, 60))
async def fail(event: dict):
    tell("coroutine")
    raise ValueError("no")
@app.on("batch.completed", concurrency=1)
def handle(event: dict): tell("thread")
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "my_handlers.py").write_text(HANDLERS)
    return tmp_path


async def test_a_failure_is_logged_with_its_location_and_handler_lines_name_their_delivery(redis_url, client, folder):
    with Worker(redis_url, "my_handlers:app", cwd=folder) as worker:
        await worker.until_working()
        await store(client, "wh_1")
        await store(client, "wh_2", "wh_3", event_type="batch.completed")
        opened = await worker.until_logged("breaker_opened")
        for name in ("wh_2", "wh_3"):
            for logger in ("structlog", "logging"):
                line = await worker.until_logged(f"thread by {logger}", webhook_id=name)
                assert (line["group"], line["type"], line["attempt"]) == ("g", "batch.completed", 1)
                assert not line.get("leaked")
        await worker.end()
    location = f"{folder / 'my_handlers.py'}:16"
    parked = worker.logged("parked")
    assert [line["frame"] for line in (*parked, opened)] == [location] * 3
    assert ["exception" in line for line in parked] == [True, False]
    assert "raise ValueError" in parked[0]["exception"]
    attempts = [line["attempt"] for line in worker.logged("coroutine by structlog", webhook_id="wh_1")]
    assert attempts == [line["attempt"] for line in worker.logged("coroutine by logging", webhook_id="wh_1")] == [1, 2]
    assert "evt_1" not in json.dumps(worker.lines)  # part of the body
