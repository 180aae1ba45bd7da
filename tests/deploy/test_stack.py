import asyncio
import importlib.util
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from deploy.local.stack_life import StackError, check_free, has_console
from hookbus.shared.listen import Listen
from hookbus.worker.console.sending import fresh_id
from tests.deploy.processes import children_of, is_running
from tests.programs import ROOT, SECRET, Ingest, Program, free_port
from tests.wait import PATIENCE_S, until

pytestmark = pytest.mark.needs("linux", "proc")  # children end with their parents; /proc lists processes


TIMEOUT = aiohttp.ClientTimeout(total=20)


class Stack(Program):
    """`make up` in a folder of its own and on a free port."""

    def __init__(self, folder: Path, **environ: str) -> None:
        variables = {"PYTHONPATH": str(ROOT), "HOOKBUS_INGEST_LISTEN": "127.0.0.1:0", "COLUMNS": "200"} | environ
        super().__init__("python", "-m", "deploy.local.stack", redis_url="redis://127.0.0.1:1", cwd=folder, **variables)
        self.folder = folder

    def __enter__(self) -> "Stack":
        return self

    def has_printed(self, *words: str) -> bool:
        """Whether one line of the output contains all these words."""
        return any(all(part in line for part in words) for line in self.raw)

    async def until_printed(self, *words: str) -> None:
        """Wait for a line."""
        await until(lambda: self.has_printed(*words) or self.process.poll() is not None, what=str(words))
        assert self.has_printed(*words), "\n".join(self.raw)

    async def until_up(self) -> "Stack":
        await self.until_printed("hookbus is up")
        return self

    def in_second_terminal(self, command: str) -> str:
        """Run a command in the way that the stack prints at its start."""
        ran = subprocess.run(
            ["/bin/bash", "-c", f"source .hookbus/env && {command}"],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout


async def test_an_event_sent_from_a_second_terminal_reaches_both_groups_and_ctrl_c_stops_in_order(tmp_path):
    with Stack(tmp_path) as stack:
        await stack.until_up()
        assert "200 accepted" in stack.in_second_terminal("hookbus-ingest send response.completed")
        await stack.until_printed("worker", "billing: charge for resp_")
        await stack.until_printed("worker", "audit: response.completed, attempt 1")
        assert stack.has_printed("ingest", "stored", "type=response.completed")
        programs = children_of(stack.process.pid)
        assert len(programs) == 4
        assert await stack.end(signal.SIGINT) == 0
        assert not any(is_running(pid) for pid in programs)
    names = [line.partition(" ")[0] for line in stack.raw]
    worker_stops = next(i for i, line in enumerate(stack.raw) if names[i] == "worker" and "draining" in line)
    assert "ingest" not in names[worker_stops:]
    assert not stack.has_printed("Traceback")


async def test_the_failing_example_becomes_a_dead_letter(tmp_path):
    with Stack(tmp_path) as stack:
        await stack.until_up()
        stack.in_second_terminal("hookbus-ingest send response.failed")
        await stack.until_printed("dead_letter", "refund desk", "type=response.failed")
        assert "refund desk" in stack.in_second_terminal("hookbus-worker dlq list")
        assert await stack.end(signal.SIGTERM) == 0


async def test_the_address_of_the_console_is_printed_and_it_sends_a_test_event_from_there(tmp_path):
    with Stack(tmp_path, HOOKBUS_INGEST_LISTEN=f"127.0.0.1:{free_port()}") as stack:
        await stack.until_up()
        await stack.until_printed("Its console", "http://127.0.0.1:")
        (address,) = (re.search(r"http://\S+", line)[0] for line in stack.raw if line.startswith("Its console"))
        async with aiohttp.ClientSession(address, timeout=TIMEOUT) as session:
            async with session.get("/events") as response:
                assert (response.status, 'action="/events/send"' in await response.text()) == (200, True)
            form = {"type": "response.completed", "id": fresh_id(), "confirmed": "1"}
            async with session.post("/events/send", data=form, headers={"Sec-Fetch-Site": "same-origin"}) as response:
                assert "Test event, sent by console@" in await response.text()
        await stack.until_printed("worker", "billing: charge for resp_")
        assert await stack.end(signal.SIGINT) == 0


def test_without_its_extra_the_console_is_not_started(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert not has_console()


async def test_sigkill_of_the_stack_leaves_no_process(tmp_path):
    with Stack(tmp_path) as stack:
        await stack.until_up()
        programs = children_of(stack.process.pid)
        assert len(programs) == 4
        await stack.end(signal.SIGKILL)
        await until(lambda: not any(is_running(pid) for pid in programs), timeout_s=5)


async def test_events_and_secret_are_kept_between_runs_and_are_private(tmp_path):
    with Stack(tmp_path) as stack:
        await stack.until_up()
        stack.in_second_terminal("hookbus-ingest send video.failed")
        secret = (tmp_path / ".hookbus/secret").read_text()
        await stack.end(signal.SIGKILL)
    with Stack(tmp_path) as stack:
        await stack.until_up()
        (pid,) = (pid for pid, command in children_of(stack.process.pid).items() if "hookbus-worker run" in command)
        assert (tmp_path / ".hookbus/secret").read_text() == secret
        client = "import redis, os; print(redis.Redis.from_url(os.environ['HOOKBUS_REDIS_URL']).xlen('%s'))"
        assert stack.in_second_terminal(f'python -c "{client % "hookbus:{0}:stream:video.failed"}"') == "1\n"
        assert is_running(pid)
        assert await stack.end(signal.SIGINT) == 0
    assert stat.S_IMODE((tmp_path / ".hookbus").stat().st_mode) == 0o700
    for name in ("secret", "env"):
        assert stat.S_IMODE((tmp_path / ".hookbus" / name).stat().st_mode) == 0o600


async def test_a_secret_from_the_environment_wins_and_is_not_stored(tmp_path):
    with Stack(tmp_path, OPENAI_WEBHOOK_SECRET=SECRET) as stack:
        await stack.until_up()
        assert not (tmp_path / ".hookbus/secret").exists()
        assert SECRET not in (tmp_path / ".hookbus/env").read_text()
        sent = stack.in_second_terminal(f"OPENAI_WEBHOOK_SECRET={SECRET} hookbus-ingest send batch.failed")
        assert "200 accepted" in sent
        assert await stack.end(signal.SIGINT) == 0
        assert not stack.has_printed(SECRET)


async def test_a_second_stack_in_the_same_folder_is_refused_and_the_first_continues(tmp_path):
    with Stack(tmp_path) as stack:
        await stack.until_up()
        with Stack(tmp_path) as second:
            assert await second.end(0) == 1
            assert second.raw == [f"make up: it runs here already: another server runs over {tmp_path}/.hookbus/data"]
        assert "200 accepted" in stack.in_second_terminal("hookbus-ingest send response.completed")
        assert await stack.end(signal.SIGINT) == 0


async def test_a_port_in_use_is_reported_with_a_remedy_also_when_another_hookbus_uses_it(tmp_path, redis_url):
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        with Stack(tmp_path, HOOKBUS_INGEST_LISTEN=f"127.0.0.1:{ingest.port}") as stack:
            assert await stack.end(0) == 1
            assert stack.has_printed(
                f"make up: HOOKBUS_INGEST_LISTEN: can't listen on 127.0.0.1:{ingest.port}: Address already in use",
                f"HOOKBUS_INGEST_LISTEN=127.0.0.1:{ingest.port + 1} make up",
            )


def test_an_address_of_another_machine_is_reported_too():
    with pytest.raises(StackError, match=r"can't listen on 192\.0\.2\.1:8080"):
        check_free(Listen("192.0.2.1", 8080))


@pytest.mark.parametrize(("program", "name"), [("hookbus-worker run", "worker"), ("valkey-server", "valkey")])
async def test_a_program_that_dies_ends_the_stack_with_a_line_that_names_it(tmp_path, program, name):
    with Stack(tmp_path) as stack:
        await stack.until_up()
        programs = children_of(stack.process.pid)
        (victim,) = (pid for pid, command in programs.items() if program in command)
        os.kill(victim, signal.SIGKILL)
        assert await stack.end(0, timeout_s=40) == 1
        assert stack.has_printed(f"make up: {name} was killed by SIGKILL, so everything stops")
        assert not any(is_running(pid) for pid in programs)
    assert not stack.has_printed("Traceback")


async def test_an_invalid_configuration_is_reported_before_anything_starts(tmp_path):
    with Stack(tmp_path, HOOKBUS_INGEST_LISTEN="nowhere") as stack:
        assert await stack.end(0) == 78
        assert stack.has_printed("make up: HOOKBUS_INGEST_LISTEN: expected host:port, got 'nowhere'")
    with Stack(tmp_path, HOOKBUS_WORKER_GRACE_PERIOD_S="1") as stack:
        assert await stack.end(0) == 1
        assert stack.has_printed("HOOKBUS_WORKER_GRACE_PERIOD_S")
        assert stack.has_printed("make up:", "ended with exit code 78, so everything stops")  # worker or console


async def test_ctrl_c_during_the_start_is_quiet(tmp_path):
    for _ in range(3):
        with Stack(tmp_path) as stack:
            await until(lambda: len(children_of(stack.process.pid)) >= 2)
            assert await stack.end(signal.SIGINT) == 0
            assert not stack.has_printed("Traceback")


class Piped:
    """`make up`, or the demo, in a pipe whose reader leaves, as `tee` does on Ctrl-C."""

    def __init__(self, folder: Path, module: str) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("HOOKBUS_", "OPENAI_", "PYTHON"))}
        variables = {"PYTHONPATH": str(ROOT), "HOOKBUS_INGEST_LISTEN": "127.0.0.1:0"}
        command = [sys.executable, "-m", module]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.process = subprocess.Popen(command, cwd=folder, env=environ | variables, **pipes)
        assert self.process.stdout is not None
        self._output = self.process.stdout

    async def until_printed(self, words: bytes) -> None:
        """Read until a line contains these words."""

        def read() -> None:
            while words not in (line := self._output.readline()):
                assert line, "it ended"

        await asyncio.to_thread(read)

    async def ends(self, number: int) -> int:
        """Close the pipe and send the signal, unless it is 0; returns the exit code."""
        programs = children_of(self.process.pid)
        assert programs
        self._output.close()
        if number:
            self.process.send_signal(number)
        try:
            code = await asyncio.to_thread(self.process.wait, 60)
        finally:
            self.process.kill()
        assert not any(is_running(pid) for pid in programs)
        return code


async def test_ctrl_c_that_also_ends_the_reader_of_the_pipe_stops_everything_in_order(tmp_path):
    stack = Piped(tmp_path, "deploy.local.stack")
    await stack.until_printed(b"hookbus is up")
    assert await stack.ends(signal.SIGINT) == 0
    assert (tmp_path / ".hookbus/data").exists()


async def test_the_stack_ends_when_the_reader_of_its_pipe_leaves(tmp_path):
    stack = Piped(tmp_path, "deploy.local.stack")
    await stack.until_printed(b"hookbus is up")
    posts = "source .hookbus/env; while kill -0 $0 && hookbus-ingest send response.completed; do :; done"
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # each post makes the stack print a line
    sender = subprocess.Popen(["/bin/bash", "-c", posts, str(stack.process.pid)], cwd=tmp_path, **nowhere)
    assert await stack.ends(0) == 1
    sender.wait(PATIENCE_S)


async def test_the_demo_ends_with_all_its_processes_when_the_reader_of_its_pipe_leaves(tmp_path):
    demo = Piped(tmp_path, "deploy.local.demo")
    await demo.until_printed(b"A worker is killed")
    assert await demo.ends(0) == 1
