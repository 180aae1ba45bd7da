import errno
import json
import os
import socket
import subprocess
import sys

import pytest

from hookbus.shared.command import FailedError, cannot_listen
from hookbus.shared.settings import ConfigError

MAY_PASS = {
    "an address that comes late": OSError(errno.EADDRNOTAVAIL, "no such address"),
    "a process that has the port, and ends": OSError(errno.EADDRINUSE, "taken"),
    "a name server that is away": socket.gaierror(socket.EAI_AGAIN, "try again"),
    "no errno, as from asyncio of Python 3.13": OSError("could not bind on any address out of [...]"),
}
STAYS = {
    "a port that is not this user's": PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
    "a name that nobody knows": socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    "what is no name": UnicodeError("label empty or too long"),
}


@pytest.mark.parametrize("error", MAY_PASS.values(), ids=MAY_PASS)
def test_a_port_that_may_open_later_is_no_matter_of_configuration(error):
    told = cannot_listen("ops_listen: can't listen on here:1", error)
    assert isinstance(told, FailedError)
    assert str(told) == f"ops_listen: can't listen on here:1: {error.strerror or error}"


@pytest.mark.parametrize("error", STAYS.values(), ids=STAYS)
def test_a_port_that_no_waiting_opens_is_one(error):
    told = cannot_listen("ops_listen: can't listen on here:1", error)
    assert isinstance(told, ConfigError)
    assert told.problems == [f"ops_listen: can't listen on here:1: {getattr(error, 'strerror', error)}"]


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
ENDS = {
    "an exit that looks fine": "sys.exit(0)",
    "an interrupt that nobody sent": "raise KeyboardInterrupt",
    "a stopped loop": "asyncio.get_running_loop().stop()",
    "a cancelled world": "[task.cancel() for task in asyncio.all_tasks()]",
    "an exception that has no text": "sys.exit(type('E', (), {'__str__': lambda _: 1 / 0})())",
}


def _ran(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_end_that_nobody_asked_for_is_logged_with_its_traceback_and_ends_with_1(end):
    done = _ran(PROGRAM.format(end=end))
    assert done.returncode == 1
    assert done.stdout == "cleaned up\n"
    (line,) = [line for line in map(json.loads, done.stderr.splitlines()) if line["event"] == "crashed"]
    assert line["level"] == "error"
    assert line["reason"]
    assert line["exception"]


def test_a_program_that_crashes_ends_although_its_cleaning_up_hangs():
    body = PROGRAM.replace("command.run_service", "command.CRASH_S = 0.2\ncommand.run_service")
    hanging = body.replace('print("cleaned up", flush=True)', "await asyncio.Event().wait()").format(end="sys.exit(0)")
    done = _ran(hanging)
    assert done.returncode == 1
    assert '"event": "crashed"' in done.stderr


def test_what_a_user_can_do_something_about_is_no_crash():
    raises = "from hookbus.shared.settings import ConfigError\nasync def main(stopping): raise ConfigError(['a: b'])\n"
    body = PROGRAM.format(end="pass").replace("command.run_service(main)", f"{raises}command.run_service(main)")
    done = _ran(body)
    assert "crashed" not in done.stderr
    assert "ConfigError" in done.stderr


ERROR_AFTER_LINES = """
from hookbus.shared import command, log
app = command.typer_app("program", "")
@app.command()
def run():
    log.configure("debug")
    for number in range(2000):
        log.get("test").debug("line", number=number)
    raise command.FailedError("it failed")
command.run(app, "program")
"""


def test_the_error_that_ends_a_program_is_its_last_line():
    done = _ran(ERROR_AFTER_LINES)
    lines = done.stderr.splitlines()
    assert len(lines) == 2001
    assert lines[-1] == "program: it failed"
