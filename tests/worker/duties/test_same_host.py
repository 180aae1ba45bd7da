import os
import signal
import subprocess
import sys
import time

import pytest

from hookbus.worker.duties import same_host
from hookbus.worker.duties.same_host import STALE_S, Presence, has_ended

HOLD = (
    "import sys, time; from hookbus.worker.duties.same_host import Presence; "
    "p = Presence(sys.argv[1]); print(flush=True); {rest}"
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The folder of the lock files, removed after the test."""
    monkeypatch.setattr(same_host, "FOLDER", tmp_path)
    return tmp_path


def holder(folder, consumer: str, body: str) -> subprocess.Popen[bytes]:
    """A process that holds the lock of a consumer."""
    setting = f"same_host.FOLDER = pathlib.Path({str(folder)!r}); "
    code = f"import pathlib; from hookbus.worker.duties import same_host; {setting}"
    process = subprocess.Popen([sys.executable, "-c", code + HOLD.format(rest=body), consumer], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_process_that_was_killed_here_has_ended_and_one_that_runs_has_not(folder):
    process = holder(folder, "host.1.ab", "time.sleep(60)")
    assert not has_ended("host.1.ab")
    process.kill()
    process.communicate()
    assert has_ended("host.1.ab")


def test_a_process_on_another_machine_has_not_ended_whatever_its_pid():
    assert not has_ended(f"host.{2**22 + 1}.ab")


def test_an_orderly_stop_leaves_no_lock_file(folder):
    presence = Presence("host.1.ab")
    presence.leave()
    presence.leave()
    assert not has_ended("host.1.ab")
    assert list(folder.iterdir()) == []


def test_a_surviving_child_of_a_handler_leaves_the_decision_to_the_ttl(folder):
    code = "import os; c = os.fork(); (print(c, flush=True), os._exit(0)) if c else time.sleep(60)"
    process = holder(folder, "host.1.ab", code)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.wait()
    assert not has_ended("host.1.ab")
    os.kill(child, signal.SIGKILL)
    process.stdout.read()  # the exit of the child closes the pipe
    process.stdout.close()
    assert has_ended("host.1.ab")


@pytest.mark.parametrize("consumer", ["", "../x", "a/b", "handed over", "ü"])
def test_an_invalid_consumer_name_is_not_looked_up(consumer, folder):
    (folder / "x").touch()
    assert not has_ended(consumer)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("/etc/passwd"), os.mkfifo])
def test_a_path_that_is_no_regular_file_proves_nothing(make, folder):
    make(folder / "hookbus-host.1.ab")
    assert not has_ended("host.1.ab")


def test_the_file_of_another_user_proves_nothing(folder, monkeypatch):
    (folder / "hookbus-host.1.ab").touch()
    assert has_ended("host.1.ab")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    if (folder / "hookbus-host.1.ab").stat().st_uid:
        assert not has_ended("host.1.ab")


def test_without_a_memory_file_system_nothing_is_proven(folder, monkeypatch):
    monkeypatch.setattr(same_host, "FOLDER", folder / "nowhere")
    presence = Presence("host.1.ab")
    presence.touch()
    assert not has_ended("host.1.ab")
    presence.leave()


def test_a_start_removes_old_files_without_a_lock_and_no_other(folder):
    living = Presence("host.1.living")
    for name, age_s in (("living", STALE_S + 9), ("old", STALE_S + 9), ("young", STALE_S - 9)):
        path = folder / f"hookbus-host.1.{name}"
        path.touch()
        os.utime(path, (time.time() - age_s,) * 2)
    (folder / "another's").touch()
    Presence("host.1.new").leave()
    assert sorted(path.name for path in folder.iterdir()) == [
        "another's",
        "hookbus-host.1.living",
        "hookbus-host.1.young",
    ]
    living.leave()
