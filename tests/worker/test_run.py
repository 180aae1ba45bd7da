"""`hookbus-worker run` as a process: its exit codes, and its messages for wrong usage."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess

import pytest

from hookbus import App
from hookbus.shared import keys
from hookbus.shared.connection import connect
from hookbus.worker.pipeline.routes import build
from hookbus.worker.run import _idle, _may_match
from tests.end_to_end.conftest import records_of
from tests.programs import BIN, Worker
from tests.wait import PATIENCE_S, until
from tests.worker.builders import store

GOOD = """
from hookbus import App
app = App("good")
@app.on("response.*")
async def handle(event: dict): ...
"""
BAD = {
    "tie": GOOD + '@app.on("response.*")\nasync def again(event: dict): ...\n',
    "annotation": 'from hookbus import App\napp = App("bad")\n@app.on("a")\nasync def handle(event: str): ...\n',
    "long": 'from hookbus import App\napp = App("bad")\n@app.on("a", timeout=40)\nasync def handle(event): ...\n',
    "broken": "raise RuntimeError('at import')\n",
}


@pytest.fixture
def project(tmp_path):
    for name, source in ({"good": GOOD} | BAD).items():
        (tmp_path / f"{name}.py").write_text(source)
    return tmp_path


def run(project, *args: str, redis_url: str = "unix:///nowhere.sock", **environ: str) -> tuple[int, str]:
    """Run a worker that is expected to end by itself. Returns its exit code, and its output without the start."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HOOKBUS_", "PYTHON"))}
    defaults = {"HOOKBUS_REDIS_URL": redis_url, "HOOKBUS_WORKER_OPS_LISTEN": "127.0.0.1:0"}
    done = subprocess.run(
        [BIN / "hookbus-worker", "run", *args],
        cwd=project, env=clean | defaults | environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    output = (done.stdout + done.stderr).splitlines(keepends=True)
    return done.returncode, "".join(line for line in output if '"event": "starting"' not in line)


REFUSED = {
    "bad module": (["nobody:app"], {}, "nobody:app: no module named 'nobody'"),
    "bad attribute": (["good:other"], {}, "good:other: good has no App named 'other' (there: app)"),
    "tie": (["tie:app"], {}, "group good: two subscriptions to 'response.*': "),
    "annotation": (["annotation:app"], {}, "can't decode an event into str"),
    "grace period in code": (["long:app"], {}, "worker.grace_period_s: 40 is not above the timeout of group bad, 'a'"),
    "only": (["good:app", "--only", "batch.*"], {}, "--only 'batch.*': group good subscribes to no type that matches"),
    "settings": (["good:app"], {"HOOKBUS_WORKER_GRACE_PERIOD_S": "5"}, "HOOKBUS_WORKER_GRACE_PERIOD_S: 5 is not above"),
    "variable": (["good:app"], {"HOOKBUS_WORKER_GRACE": "5"}, "HOOKBUS_WORKER_GRACE: unknown variable"),
    "no file": (["good:app", "--config", "none.toml"], {}, "none.toml: No such file"),
    "port": (["good:app", "--ops-listen", "here"], {}, "--ops-listen: expected host:port, got 'here'"),
}


@pytest.mark.parametrize(("args", "environ", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_ends_with_78_and_one_clear_line(project, args, environ, message):
    code, output = run(project, *args, **environ)
    assert code == 78
    (line,) = output.splitlines()
    assert line.startswith("hookbus-worker: ")
    assert message in line


def test_what_a_module_raises_at_import_ends_with_1_and_its_traceback_so_that_a_supervisor_tries_again(project):
    code, output = run(project, "broken:app")
    assert code == 1
    first, second, third, *_ = output.splitlines()
    assert first.startswith("hookbus-worker: broken:app: importing it failed: RuntimeError: at import (")
    assert second == "Traceback (most recent call last):"
    assert "broken.py" in third


def test_a_taken_port_ends_with_1_so_that_a_supervisor_tries_again(project):
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        listen = f"127.0.0.1:{occupied.getsockname()[1]}"
        code, output = run(project, "good:app", "--ops-listen", listen)
    assert code == 1
    (line,) = output.splitlines()
    assert line.startswith(f"hookbus-worker: --ops-listen: can't listen on {listen}: ")


def test_another_shard_count_than_that_in_redis_ends_with_78(project, redis_url, server):
    with server.client() as client:
        client.hset(keys.META, mapping={"layout": keys.LAYOUT, "shards": 4})
    code, output = run(project, "good:app", redis_url=redis_url)
    assert code == 78
    assert "hookbus-worker: shards: 1 here, but the data in Redis is spread over 4" in output


@pytest.mark.parametrize("args", [[], ["good:app", "--unknown"], ["good:app", "--only"]])
def test_wrong_usage_ends_with_2(project, args):
    assert run(project, *args)[0] == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_0_whether_it_works_or_waits_for_redis(redis_url, number):
    with Worker(redis_url, "plain") as working, Worker("unix:///nowhere.sock", "plain") as waiting:
        await working.until_working()
        await waiting.until_logged("redis_unreachable")
        assert await asyncio.gather(working.end(number), waiting.end(number)) == [0, 0]
        assert working.logged("stopped")
        assert waiting.logged("stopped")
        assert "Traceback" not in "\n".join(working.raw + waiting.raw)


async def test_a_worker_logs_that_redis_is_unreachable_and_that_it_is_back(own_server):
    with Worker(own_server.url, "plain") as worker:
        await worker.until_working()
        await asyncio.to_thread(own_server.stop)
        await worker.until_logged("read_failed", group="plain")
        assert not worker.logged("read_recovered")
        await asyncio.to_thread(own_server.start)
        await worker.until_logged("read_recovered", group="plain")
        assert await worker.end() == 0


async def test_ctrl_c_while_redis_is_unreachable_ends_a_running_worker_with_0(own_server):
    with Worker(own_server.url, "plain") as worker:
        await worker.until_working()
        async with contextlib.aclosing(connect(own_server.url, "tests")) as client:
            await store(client, "wh_1")
        await until(lambda: records_of(own_server)("plain") == ["wh_1"])
        await asyncio.to_thread(own_server.stop)
        await worker.until_logged("read_failed")
        assert await worker.end(signal.SIGINT) == 0
        assert worker.logged("handover_failed")
        assert "Traceback" not in "\n".join(worker.raw)


# `--only`


async def handle(event): ...


def group(*patterns: str):
    app = App("g")
    for pattern in patterns:
        app.on(pattern)(handle)
    return build([app], 30)


@pytest.mark.parametrize(
    ("patterns", "only", "is_fine"),
    [
        (["response.*"], "", True),
        (["response.*"], "response.completed", True),
        (["response.completed"], "response.*", True),
        (["response.*"], "response.complete", False),
        (["response.completed"], "batch.*", False),
        (["*"], "made.up", True),
        (["my.own.*"], "my.own.thing", True),
        (["my.own.*"], "my.*", True),
        (["my.own.*"], "their.thing", False),
        (["my.thing"], "my.*", True),
        (["*"], "hookbus.verify.x", False),
        (["hookbus.verify.x"], "hookbus.*", True),
    ],
)
def test_only_must_match_a_subscribed_type_as_far_as_types_are_known(patterns, only, is_fine):
    assert (_idle(group(*patterns), only) == []) is is_fine


def test_a_wildcard_of_documented_types_is_resolved_at_start():
    assert not _may_match("response.*", "response.tomorrow")


async def test_a_thread_that_never_ends_does_not_keep_the_process(redis_url, client, tmp_path):
    source = """
import threading
from hookbus import App
app = App("stuck")
@app.on("*", timeout=0.2)
def hang(event: dict): threading.Event().wait()
"""
    (tmp_path / "stuck.py").write_text(source)
    with Worker(redis_url, "stuck:app", PYTHONPATH=str(tmp_path)) as worker:
        await worker.until_working()
        await store(client, "wh_1")
        await worker.until_logged("parked")
        assert await worker.end() == 0
