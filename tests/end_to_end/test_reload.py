"""`--reload`: what a developer edits runs at once, and what he breaks is told."""

import asyncio
import signal
from pathlib import Path

from hookbus.shared.command import CRASH_S
from tests.programs import ROOT, Worker
from tests.wait import until
from tests.worker.builders import store

HANDLERS = """
import asyncio
from hookbus import App
from tests.end_to_end.handlers import record, released
from package.words import WORD

app = App("mine")

@app.on("response.completed", timeout=20)
async def handle(event: dict, delivery) -> None:
    record(delivery, "began")
    if delivery.webhook_id == "wh_slow":
        await released()
    record(delivery, WORD)
    if delivery.webhook_id == "wh_crash":
        asyncio.get_running_loop().stop()
"""


def reloading(redis_url: str, folder: Path, **environ: str) -> Worker:
    (folder / "package").mkdir()
    (folder / "package" / "words.py").write_text('WORD = "first"\n')
    (folder / "handlers.py").write_text(HANDLERS)
    path = f"{environ.pop('path', '')}:{ROOT}"
    return Worker(redis_url, "handlers:app", "--reload", cwd=folder, PYTHONPATH=path, **environ)


async def test_a_change_of_a_module_drains_and_starts_again_with_the_new_code(redis_url, handled, client, tmp_path):
    with reloading(redis_url, tmp_path) as worker:
        await worker.until_working()
        await store(client, "wh_slow")
        await until(lambda: handled("mine", "began") == ["wh_slow"])
        (tmp_path / "package" / "words.py").write_text('WORD = "second"\n')
        await worker.until_logged("reloading", files=[str(tmp_path / "package" / "words.py")])
        await worker.until_logged("draining", running=1)
        await client.execute_command("SET", "test:go", 1)
        await until(lambda: len(worker.logged("working")) == 2)
        assert handled("mine", "first") == ["wh_slow"], "what ran finished with the old code"
        await store(client, "wh_1")
        await until(lambda: handled("mine", "second") == ["wh_1"])
        assert handled("mine", "began") == ["wh_slow", "wh_1"]
        assert await worker.end() == 0
    assert worker.tracebacks() == []


async def test_a_syntax_error_is_printed_and_the_next_change_tries_again(redis_url, handled, client, tmp_path):
    with reloading(redis_url, tmp_path) as worker:
        await worker.until_working()
        (tmp_path / "handlers.py").write_text("def broken(:\n")
        await until(lambda: any("waiting for a change" in line for line in worker.raw))
        [problem] = [line for line in worker.raw if "SyntaxError" in line]
        assert problem.startswith("hookbus-worker: handlers:app: importing it failed: SyntaxError: invalid syntax")
        assert worker.process.poll() is None
        (tmp_path / "handlers.py").write_text(HANDLERS)
        await until(lambda: len(worker.logged("working")) == 2)
        await store(client, "wh_1")
        await until(lambda: handled("mine", "first") == ["wh_1"])
        assert await worker.end(signal.SIGINT) == 0


async def test_ctrl_c_ends_the_wait_for_a_change(redis_url, tmp_path):
    with reloading(redis_url, tmp_path) as worker:
        (tmp_path / "handlers.py").write_text("1 / 0\n")
        await until(lambda: any("waiting for a change" in line for line in worker.raw))
        assert await worker.end(signal.SIGINT) == 130


async def test_after_a_crash_it_waits_for_a_change_as_long_as_it_takes(redis_url, handled, client, tmp_path):
    with reloading(redis_url, tmp_path) as worker:
        await worker.until_working()
        await store(client, "wh_crash")
        await until(lambda: any("waiting for a change" in line for line in worker.raw))
        await asyncio.sleep(CRASH_S + 1)  # what would end the process otherwise
        assert worker.process.poll() is None
        assert await worker.end(signal.SIGINT) == 130, "the first Ctrl-C ends it"


async def test_a_stop_during_the_drain_that_a_change_began_is_one(redis_url, handled, client, tmp_path):
    with reloading(redis_url, tmp_path) as worker:
        await worker.until_working()
        await store(client, "wh_slow")
        await until(lambda: handled("mine", "began") == ["wh_slow"])
        (tmp_path / "package" / "words.py").write_text('WORD = "second"\n')
        await worker.until_logged("draining", running=1)
        worker.process.send_signal(signal.SIGINT)
        await client.execute_command("SET", "test:go", 1)
        assert await worker.until_ended() == 0
        assert handled("mine", "first") == ["wh_slow"], "the first Ctrl-C lets it finish"
        assert len(worker.logged("working")) == 1


async def test_a_change_during_the_drain_of_a_stop_starts_nothing(redis_url, handled, client, tmp_path):
    with reloading(redis_url, tmp_path) as worker:
        await worker.until_working()
        await store(client, "wh_slow")
        await until(lambda: handled("mine", "began") == ["wh_slow"])
        worker.process.send_signal(signal.SIGTERM)
        await worker.until_logged("draining", running=1)
        (tmp_path / "package" / "words.py").write_text('WORD = "second"\n')
        await worker.until_logged("reloading")
        await client.execute_command("SET", "test:go", 1)
        assert await worker.until_ended() == 0
        assert len(worker.logged("working")) == 1


async def test_a_folder_that_is_removed_is_told_and_its_return_starts_again(redis_url, handled, client, tmp_path):
    with reloading(redis_url, tmp_path) as worker:
        await worker.until_working()
        (tmp_path / "package").rename(tmp_path / "elsewhere")  # what comes back is as old as before
        await until(lambda: any("waiting for a change" in line for line in worker.raw))
        await until(lambda: any("no module named 'package'" in line for line in worker.raw))
        (tmp_path / "elsewhere").rename(tmp_path / "package")
        await until(lambda: len(worker.logged("working")) == 2)
        await store(client, "wh_1")
        await until(lambda: handled("mine", "first") == ["wh_1"])
        assert await worker.end() == 0
    assert not any("change detected" in line for line in worker.raw), "watchfiles tells nothing of its own"


async def test_without_the_extra_it_says_what_to_install(redis_url, tmp_path):
    missing = tmp_path / "missing"
    missing.mkdir()
    (missing / "watchfiles.py").write_text("raise ImportError\n")
    with reloading(redis_url, tmp_path, path=str(missing)) as worker:
        assert await worker.until_ended() == 78
    assert "hookbus-worker: --reload: watchfiles is missing: pip install 'hookbus[reload]'" in worker.raw
