"""The protocol of systemd over real sockets: notifications that a program sends, and sockets that it is passed."""

import asyncio
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import pytest
import structlog

from hookbus.shared.systemd import EXTENSION_S, Health, SystemdNotifier, beat_s, passed_sockets
from tests.systemd_manager import Manager
from tests.wait import until


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path) -> Iterator[Manager]:
    fake = Manager(f"{tmp_path}/notify" if request.param == "path" else f"\0hookbus-test-{uuid.uuid4()}")
    yield fake
    fake.close()


class Program:
    """A program whose health the test sets."""

    def __init__(self) -> None:
        self.reason, self.stuck, self.status = "starting", "", "starting"
        self.health = Health(lambda: self.reason, lambda: self.stuck, lambda: self.status)


async def test_ready_is_sent_once_and_status_at_each_change(manager):
    program = Program()
    with SystemdNotifier(program.health, manager.environ):
        await until(lambda: manager.received("STATUS=starting"))
        assert not manager.received("READY=1")
        program.reason, program.status = "", "fine\nand well"
        await until(lambda: manager.received("READY=1"))
        assert manager.received("STATUS=fine and well")
        program.reason, program.status = "draining", "leaving"
        await until(lambda: manager.received("STATUS=leaving"))
    assert manager.receive().count("READY=1") == 1
    assert not manager.received("WATCHDOG=1")


async def test_a_waiting_start_extends_its_timeout_unless_it_is_stalled_or_stopping(manager):
    program = Program()
    extension = f"EXTEND_TIMEOUT_USEC={EXTENSION_S}000000"
    with SystemdNotifier(program.health, manager.environ):
        await until(lambda: manager.received(extension))
        time.sleep(0.5)  # noqa: ASYNC251 - five beats
        assert manager.receive().count(extension) == 1
    manager.lines.clear()
    program.stuck = "asleep"
    with structlog.testing.capture_logs() as logs, SystemdNotifier(program.health, manager.environ):
        await until(lambda: manager.received("STATUS=stalled: asleep"))
        assert not manager.received(extension)
    assert [log["event"] for log in logs] == ["stalled"]
    manager.lines.clear()
    program.stuck = ""
    notifier = SystemdNotifier(program.health, manager.environ)
    notifier.stopping()
    with notifier:
        await until(lambda: manager.received("STATUS=starting"))
        assert manager.received("STOPPING=1")
        assert not manager.received(extension)


async def test_watchdog_signals_are_sent_only_while_there_is_progress(manager):
    program = Program()
    program.reason = ""
    watched = manager.environ | {"WATCHDOG_USEC": "300000", "WATCHDOG_PID": str(os.getpid())}
    with SystemdNotifier(program.health, watched):
        await until(lambda: manager.receive().count("WATCHDOG=1") >= 3)
        program.stuck = "asleep"
        await until(lambda: manager.received("STATUS=stalled: asleep"))
        manager.lines.clear()
        await asyncio.sleep(0.5)
        assert not manager.received("WATCHDOG=1")
        program.stuck = ""
        await until(lambda: manager.received("WATCHDOG=1"))


@pytest.mark.parametrize(("watchdog_s", "seconds"), [(0, 2), (30, 2), (6, 2), (3, 1), (0.3, 0.1)])
def test_a_watchdog_gets_three_signals_within_its_timeout(watchdog_s, seconds):
    assert beat_s(watchdog_s) == pytest.approx(seconds)


async def test_watchdog_signals_are_sent_although_a_handler_blocks_the_event_loop(manager):
    program = Program()
    program.reason = ""
    with SystemdNotifier(program.health, manager.environ | {"WATCHDOG_USEC": "300000"}):
        await until(lambda: manager.received("WATCHDOG=1"))
        manager.lines.clear()
        time.sleep(1)  # noqa: ASYNC251 - the block
        assert manager.received("WATCHDOG=1")


async def test_the_watchdog_of_another_process_gets_no_signals(manager):
    program = Program()
    program.reason = ""
    other = manager.environ | {"WATCHDOG_USEC": "300000", "WATCHDOG_PID": "1"}
    with SystemdNotifier(program.health, other):
        await until(lambda: manager.received("READY=1"))
        await asyncio.sleep(0.3)
        assert not manager.received("WATCHDOG=1")


async def test_a_reload_is_reported_with_the_monotonic_clock_and_so_is_its_end(manager):
    program = Program()
    with SystemdNotifier(program.health, manager.environ) as notifier:
        notifier.reloading()  # before the start a reload is ignored: READY would be wrong
        notifier.reloaded()
        await until(lambda: manager.received("STATUS=starting"))
        assert not {"RELOADING=1", "READY=1"} & set(manager.receive())
        program.reason = ""
        await until(lambda: manager.received("READY=1"))
        manager.lines.clear()
        notifier.reloading()
        notifier.reloaded()
        reloading, clock, ready = [line for line in manager.receive() if not line.startswith("STATUS")]
        assert (reloading, ready) == ("RELOADING=1", "READY=1")
        assert 0 <= time.clock_gettime(time.CLOCK_MONOTONIC) - int(clock.removeprefix("MONOTONIC_USEC=")) / 1e6 < 5


async def test_lines_that_could_not_be_sent_are_sent_again(manager, tmp_path):
    program = Program()
    program.reason = ""
    address = f"{tmp_path}/later"
    with structlog.testing.capture_logs() as logs, SystemdNotifier(program.health, {"NOTIFY_SOCKET": address}):
        await until(lambda: logs)
        late = Manager(address)
        try:
            await until(lambda: late.received("READY=1"))
            assert late.received("STATUS=starting")
        finally:
            late.close()
    assert [log["event"] for log in logs] == ["systemd_unreachable"]


@pytest.mark.parametrize("address", ["", "vsock:2:1", "relative"])
def test_without_systemd_nothing_is_sent_and_no_thread_runs(address):
    with SystemdNotifier(Program().health, {"NOTIFY_SOCKET": address}) as notifier:
        notifier.reloading()
        notifier.stopping()
        assert not notifier._thread.is_alive()


PASSED = """
import os, subprocess, sys
from hookbus.shared.systemd import passed_sockets
os.environ["LISTEN_PID"] = sys.argv[1] if len(sys.argv) > 1 else str(os.getpid())
for name, one in passed_sockets():
    print(name, one.getsockname()[1], os.get_inheritable(one.fileno()))
assert passed_sockets() == []
print([name for name in os.environ if name.startswith("LISTEN_")])
"""


def run_with(sockets: list[socket.socket], names: str, *arguments: str) -> list[str]:
    """Run PASSED with sockets as descriptors 3, 4 …"""
    environ = os.environ | {"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names}
    high = [os.dup2(passed.fileno(), 60 + i) for i, passed in enumerate(sockets)]
    moved = "".join(f"exec {3 + i}<&{fd}; " for i, fd in enumerate(high))
    command = ["bash", "-c", f'{moved} exec "$@"', "-", sys.executable, "-c", PASSED, *arguments]
    try:
        done = subprocess.run(command, env=environ, pass_fds=high, capture_output=True, text=True, check=False)
    finally:
        for fd in high:
            os.close(fd)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_passed_sockets_have_their_names_and_are_not_inherited():
    with socket.create_server(("127.0.0.1", 0)) as web, socket.create_server(("127.0.0.1", 0)) as ops:
        ports = [listening.getsockname()[1] for listening in (web, ops)]
        assert run_with([web, ops], "http:ops") == [f"http {ports[0]} False", f"ops {ports[1]} False", "[]"]
        assert run_with([web], "") == [f" {ports[0]} False", "[]"]


def test_sockets_for_another_process_are_ignored():
    with socket.create_server(("127.0.0.1", 0)) as web:
        assert run_with([web], "http", "1") == ["[]"]


def test_without_variables_nothing_is_passed():
    assert passed_sockets({}) == []
