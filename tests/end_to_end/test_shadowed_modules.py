"""A user's folder may hold files of any name: none shadows a module that hookbus or its libraries import late."""

import importlib.metadata
import sys

import pytest

from tests.programs import Worker
from tests.wait import until
from tests.worker.builders import store

HANDLERS = """
import asyncio
from hookbus import App, Retry
app = App("g")
@app.on("batch.completed", retry=Retry(attempts=2, base=0.05))
async def fail(event: dict): raise ValueError("no")
@app.on("response.completed")
def handle(event: dict): print("HANDLED", flush=True)
@app.on("batch.failed")
async def crash(event: dict): asyncio.get_running_loop().call_soon(exit)
"""
STANDARD = {name for name in sys.stdlib_module_names if not name.startswith("_")} - {"this", "antigravity"}
LIBRARIES = {name for name in importlib.metadata.packages_distributions() if name.isidentifier()}
OURS = {"worker", "shared", "ingest", "hookbus", "deploy", "tests"}


@pytest.fixture
def folder(tmp_path):
    """Handlers beside a file named like each importable module."""
    for name in STANDARD | LIBRARIES - OURS:
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('the user has a {name}, too')\n")
    (tmp_path / "my_handlers.py").write_text(HANDLERS)
    return tmp_path


async def test_a_worker_runs_and_crashes_beside_files_named_like_every_importable_module(redis_url, client, folder):
    with Worker(redis_url, "my_handlers:app", cwd=folder, HOOKBUS_LOG_LEVEL="debug") as worker:
        await worker.until_working()
        await store(client, "wh_1", event_type="batch.completed")
        await store(client, "wh_2")
        await worker.until_logged("dead_letter", webhook_id="wh_1")
        await until(lambda: "HANDLED" in worker.raw)
        assert await worker.end() == 0
    with Worker(redis_url, "my_handlers:app", cwd=folder) as worker:
        await worker.until_working()
        await store(client, "wh_3", event_type="batch.failed")
        assert await worker.until_ended() == 1
    assert worker.logged("crashed")
    assert "too" not in "\n".join(worker.raw)
