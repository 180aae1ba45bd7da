import os
import subprocess
import sys
import textwrap

import pytest

from hookbus import App
from hookbus.testing import Stack, sample
from tests.worker.testing.handlers import TYPE

HANDLERS = """
import os
from hookbus import App, Delivery, Reject
from hookbus.events import ResponseCompleted

app = App("billing")

@app.on("response.completed")
async def record(event: ResponseCompleted, delivery: Delivery) -> None:
    print("recorded", event.data.id, os.environ.get("DSN"), os.environ.get("HOOKBUS_SHARDS"), flush=True)
    if event.data.id == "resp_bad":
        raise Reject("not ours")
"""
CONFTEST = 'pytest_plugins = ["hookbus.pytest_plugin"]'
TEST = """
def test_the_whole_path(hookbus_stack):
    stack = hookbus_stack("whole_path_handlers:app")
    assert stack.deliver("response.completed")["event"] == "handled"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "whole_path_handlers.py").write_text(HANDLERS)
    (tmp_path / "hookbus.toml").write_text("of = 'production'")
    monkeypatch.setenv("HOOKBUS_SHARDS", "7")
    return tmp_path


def test_an_event_passes_both_programs_and_its_end_is_told(folder):
    with Stack("whole_path_handlers:app", cwd=folder, environ={"DSN": "sqlite://"}) as stack:
        line = stack.deliver(TYPE, sample(TYPE, id="resp_1"), webhook_id="wh_1")
        assert (line["event"], line["webhook_id"], line["attempt"]) == ("handled", "wh_1", 1)
        assert "recorded resp_1 sqlite:// None" in stack.worker.output
        dead = stack.deliver(TYPE, sample(TYPE, id="resp_bad"))
        assert (dead["event"], dead["reason"]) == ("dead_letter", "rejected")
        with pytest.raises(AssertionError, match=r"^no handler of billing subscribes to 'batch.failed'$"):
            stack.deliver("batch.failed")
        with pytest.raises(AssertionError, match=r"within 0.1 s, no handled .*wh_2(?s:.*)worker printed:"):
            stack.wait_for("handled", webhook_id="wh_2", timeout_s=0.1)
        pids = [each.pid for each in (stack.worker, stack.ingest)]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("targets", [(), (5,), (App("billing"),)], ids=["none", "a number", "an app"])
def test_what_is_no_target_is_refused(targets):
    with pytest.raises(ValueError, match=r"targets are needed, as in Stack\('myservice.handlers:billing'\)"):
        Stack(*targets)


@pytest.mark.parametrize("use", [Stack.send, Stack.deliver, Stack.wait_for])
def test_one_that_was_not_entered_says_so(use):
    with pytest.raises(RuntimeError, match="use it inside `with Stack"):
        use(Stack("myservice.handlers:billing"), TYPE)


def test_a_worker_that_does_not_start_is_an_error_with_what_it_printed(folder):
    with pytest.raises(AssertionError, match=r"worker ended without working(?s:.*)has no App named 'nothing'"):
        Stack("whole_path_handlers:nothing", cwd=folder).__enter__()


def test_what_ingest_refuses_is_an_error(folder):
    refused = pytest.raises(AssertionError, match="ingest answered 413")
    with Stack("whole_path_handlers:app", cwd=folder) as stack, refused:
        stack.send(TYPE, b" " * 2_000_000)


def test_the_fixture_works_in_a_test_run_of_its_own(folder):
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(textwrap.dedent(TEST))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "-W",
        "error",
        folder,
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout


def test_pytest_loads_nothing_of_hookbus_that_no_test_asks_for(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import sys\ndef test_it(): assert not [n for n in sys.modules if n.startswith('hookbus')]"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout
