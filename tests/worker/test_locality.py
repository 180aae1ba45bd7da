import os
import subprocess
import sys
from pathlib import Path

import pytest

from worker import locality
from worker.locality import has_ended, process_space


def ended_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_process_that_ended_here_has_ended_and_one_that_runs_has_not():
    assert has_ended(process_space(), ended_pid())
    assert not has_ended(process_space(), os.getpid())


@pytest.mark.parametrize("space", ["", "another-boot:pid:[1]"])
def test_of_a_process_elsewhere_nothing_is_known(space):
    assert not has_ended(space, ended_pid())


def test_a_process_of_another_user_is_there(monkeypatch):
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not has_ended(process_space(), 1)


def test_the_space_names_this_boot_and_this_namespace():
    boot, _, namespace = process_space().partition(":")
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert namespace == str(Path("/proc/self/ns/pid").readlink())


def test_a_system_that_names_no_spaces_has_none(monkeypatch):
    class Nowhere:
        def __init__(self, _: str) -> None: ...

        def read_text(self) -> str:
            raise FileNotFoundError

    monkeypatch.setattr(locality, "Path", Nowhere)
    assert process_space.__wrapped__() == ""
    assert not has_ended("", ended_pid())
