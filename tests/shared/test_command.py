import errno
import json
import os
import socket
import subprocess
import sys

import pytest

from hookbus.shared.command import FailedError, cannot_listen
from hookbus.shared.settings import ConfigError
from tests.wait import PATIENCE_S

TRANSIENT = {
    "an address that is not configured yet": OSError(errno.EADDRNOTAVAIL, "no such address"),
    "a port in use": OSError(errno.EADDRINUSE, "taken"),
    "a name server that is unreachable": socket.gaierror(socket.EAI_AGAIN, "try again"),
    "no errno, as from asyncio of Python 3.13": OSError("could not bind on any address out of [...]"),
}
PERMANENT = {
    "a port that the user may not open": PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
    "an unknown host name": socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    "an invalid host name": UnicodeError("label empty or too long"),
}


@pytest.mark.parametrize("error", TRANSIENT.values(), ids=TRANSIENT)
def test_a_transient_error_at_a_port_is_a_failure(error):
    failure = cannot_listen("ops_listen: can't listen on here:1", error)
    assert isinstance(failure, FailedError)
    assert str(failure) == f"ops_listen: can't listen on here:1: {error.strerror or error}"


@pytest.mark.parametrize("error", PERMANENT.values(), ids=PERMANENT)
def test_a_permanent_error_at_a_port_is_a_configuration_error(error):
    failure = cannot_listen("ops_listen: can't listen on here:1", error)
    assert isinstance(failure, ConfigError)
    assert failure.problems == [f"ops_listen: can't listen on here:1: {getattr(error, 'strerror', error)}"]


PROGRAM = """
import asyncio, sys
from hookbus.shared import command, log
log.configure("info")
async def end():
    {end}
async def main(stopping):
    try:
        task = asyncio.ensure_future(end())
        await asyncio.sleep(60)
    finally:
        print("cleaned up", flush=True)
command.run_service(main)
"""
EXITS = {
    "an exit with 0": "sys.exit(0)",
    "an interrupt without a signal": "raise KeyboardInterrupt",
    "a stopped loop": "asyncio.get_running_loop().stop()",
    "all tasks cancelled": "[task.cancel() for task in asyncio.all_tasks()]",
    "an exit with a value that cannot be formatted": "sys.exit(type('E', (), {'__str__': lambda _: 1 / 0})())",
}


def _run(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@pytest.mark.parametrize("end", EXITS.values(), ids=EXITS)
def test_an_unexpected_exit_is_logged_with_a_traceback_and_exits_with_1(end):
    done = _run(PROGRAM.format(end=end))
    assert done.returncode == 1
    assert done.stdout == "cleaned up\n"
    (line,) = [line for line in map(json.loads, done.stderr.splitlines()) if line["event"] == "crashed"]
    assert line["level"] == "error"
    assert line["reason"]
    assert line["exception"]


def test_a_crash_is_logged_once_whenever_its_task_is_freed():
    survives = "try: command.run_service(main)\nexcept command.CrashExit as end: end.survive()\nimport gc; gc.collect()"
    done = _run(PROGRAM.replace("command.run_service(main)", survives).format(end="sys.exit(0)"))
    assert done.returncode == 0
    assert [line["event"] for line in map(json.loads, done.stderr.splitlines())] == ["crashed"]


def test_a_crash_ends_the_program_although_its_cleanup_hangs():
    body = PROGRAM.replace("command.run_service", "command.CRASH_S = 0.2\ncommand.run_service")
    hanging = body.replace('print("cleaned up", flush=True)', "await asyncio.Event().wait()").format(end="sys.exit(0)")
    done = _run(hanging)
    assert done.returncode == 1
    assert '"event": "crashed"' in done.stderr


def test_a_configuration_error_is_no_crash():
    raises = "from hookbus.shared.settings import ConfigError\nasync def main(stopping): raise ConfigError(['a: b'])\n"
    body = PROGRAM.format(end="pass").replace("command.run_service(main)", f"{raises}command.run_service(main)")
    done = _run(body)
    assert "crashed" not in done.stderr
    assert "ConfigError" in done.stderr
