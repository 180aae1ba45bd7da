"""Signals to a child that a handler forked do not reach the program."""

from tests.programs import Program
from tests.wait import until
from tests.worker.builders import store

APP = """
import asyncio, multiprocessing, time
from hookbus import App

app = App("billing")

@app.on("response.completed")
async def forks(event: dict) -> None:
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    await asyncio.sleep(0.2)
    child.terminate()
    await asyncio.to_thread(child.join, 20)
    print("the child ended with", child.exitcode, flush=True)
    child.kill()
"""


async def test_a_signal_to_a_forked_child_of_a_handler_does_not_stop_the_worker(client, redis_url, tmp_path):
    (tmp_path / "handlers.py").write_text(APP)
    await store(client, "wh_1")
    run = ("hookbus-worker", "run", "handlers:app", "--ops-listen", "127.0.0.1:0")
    with Program(*run, redis_url=redis_url, cwd=tmp_path, HOOKBUS_LOG_LEVEL="debug") as worker:
        await worker.until_logged("handled", webhook_id="wh_1")
        await until(lambda: "the child ended with -15" in worker.raw)
        assert not worker.logged("draining")
        assert worker.process.poll() is None
