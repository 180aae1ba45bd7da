"""The protocol over real sockets: what a program that systemd started would send, and what it is passed."""

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
from tests.wait import until


class Manager:
    """What systemd does of it: takes datagrams."""

    def __init__(self, address: str) -> None:
        self._in = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._in.bind(address)
        self._in.setblocking(False)
        self.environ = {"NOTIFY_SOCKET": address.replace("\0", "@")}
        self.said: list[str] = []

    def heard(self, line: str) -> bool:
        """Whether that was said by now."""
        self.listen()
        return line in self.said

    def listen(self) -> list[str]:
        while True:
            try:
                self.said += self._in.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.said

    def close(self) -> None:
        self._in.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path) -> Iterator[Manager]:
    found = Manager(f"{tmp_path}/notify" if request.param == "path" else f"\0hookbus-test-{uuid.uuid4()}")
    yield found
    found.close()


class Program:
    """One whose health is set by hand."""

    def __init__(self) -> None:
        self.reason, self.stuck, self.status = "starting", "", "starting"
        self.health = Health(lambda: self.reason, lambda: self.stuck, lambda: self.status)


async def test_ready_is_said_once_it_is_and_status_whenever_it_changes(manager):
    program = Program()
    with SystemdNotifier(program.health, manager.environ):
        await until(lambda: manager.heard("STATUS=starting"))
        assert not manager.heard("READY=1")
        program.reason, program.status = "", "fine\nand well"
        await until(lambda: manager.heard("READY=1"))
        assert manager.heard("STATUS=fine and well")
        program.reason, program.status = "draining", "leaving"
        await until(lambda: manager.heard("STATUS=leaving"))
    assert manager.listen().count("READY=1") == 1
    assert not manager.heard("WATCHDOG=1")


async def test_a_start_that_waits_gets_more_time_unless_it_is_stuck_or_is_to_end(manager):
    program = Program()
    extension = f"EXTEND_TIMEOUT_USEC={EXTENSION_S}000000"
    with SystemdNotifier(program.health, manager.environ):
        await until(lambda: manager.heard(extension))
        time.sleep(0.5)  # noqa: ASYNC251 - five beats
        assert manager.listen().count(extension) == 1
    manager.said.clear()
    program.stuck = "asleep"
    with structlog.testing.capture_logs() as logs, SystemdNotifier(program.health, manager.environ):
        await until(lambda: manager.heard("STATUS=stalled: asleep"))
        assert not manager.heard(extension)
    assert [log["event"] for log in logs] == ["stalled"]
    manager.said.clear()
    program.stuck = ""
    notifier = SystemdNotifier(program.health, manager.environ)
    notifier.stopping()
    with notifier:
        await until(lambda: manager.heard("STATUS=starting"))
        assert manager.heard("STOPPING=1")
        assert not manager.heard(extension)


async def test_the_watchdog_is_fed_while_there_is_progress_and_not_while_there_is_none(manager):
    program = Program()
    program.reason = ""
    watched = manager.environ | {"WATCHDOG_USEC": "300000", "WATCHDOG_PID": str(os.getpid())}
    with SystemdNotifier(program.health, watched):
        await until(lambda: manager.listen().count("WATCHDOG=1") >= 3)
        program.stuck = "asleep"
        await until(lambda: manager.heard("STATUS=stalled: asleep"))
        manager.said.clear()
        await asyncio.sleep(0.5)
        assert not manager.heard("WATCHDOG=1")
        program.stuck = ""
        await until(lambda: manager.heard("WATCHDOG=1"))


@pytest.mark.parametrize(("watchdog_s", "seconds"), [(0, 2), (30, 2), (6, 2), (3, 1), (0.3, 0.1)])
def test_a_watchdog_gets_three_signs_in_its_time(watchdog_s, seconds):
    assert beat_s(watchdog_s) == pytest.approx(seconds)


async def test_the_watchdog_is_fed_although_a_handler_blocks_the_event_loop(manager):
    program = Program()
    program.reason = ""
    with SystemdNotifier(program.health, manager.environ | {"WATCHDOG_USEC": "300000"}):
        await until(lambda: manager.heard("WATCHDOG=1"))
        manager.said.clear()
        time.sleep(1)  # noqa: ASYNC251 - the blocking
        assert manager.heard("WATCHDOG=1")


async def test_a_watchdog_that_watches_another_process_gets_nothing(manager):
    program = Program()
    program.reason = ""
    other = manager.environ | {"WATCHDOG_USEC": "300000", "WATCHDOG_PID": "1"}
    with SystemdNotifier(program.health, other):
        await until(lambda: manager.heard("READY=1"))
        await asyncio.sleep(0.3)
        assert not manager.heard("WATCHDOG=1")


async def test_a_reload_is_reported_with_the_monotonic_clock_and_so_is_its_end(manager):
    program = Program()
    with SystemdNotifier(program.health, manager.environ) as notifier:
        notifier.reloading()  # nobody reloads what has not started; READY would be a lie
        notifier.reloaded()
        await until(lambda: manager.heard("STATUS=starting"))
        assert not {"RELOADING=1", "READY=1"} & set(manager.listen())
        program.reason = ""
        await until(lambda: manager.heard("READY=1"))
        manager.said.clear()
        notifier.reloading()
        notifier.reloaded()
        reloading, clock, ready = [line for line in manager.listen() if not line.startswith("STATUS")]
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
            await until(lambda: late.heard("READY=1"))
            assert late.heard("STATUS=starting")
        finally:
            late.close()
    assert [log["event"] for log in logs] == ["systemd_unreachable"]


@pytest.mark.parametrize("address", ["", "vsock:2:1", "relative"])
def test_without_systemd_nothing_is_said_and_no_thread_runs(address):
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
    high = [os.dup2(one.fileno(), 60 + i) for i, one in enumerate(sockets)]
    moved = "".join(f"exec {3 + i}<&{fd}; " for i, fd in enumerate(high))
    command = ["bash", "-c", f'{moved} exec "$@"', "-", sys.executable, "-c", PASSED, *arguments]
    try:
        found = subprocess.run(command, env=environ, pass_fds=high, capture_output=True, text=True, check=False)
    finally:
        for fd in high:
            os.close(fd)
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()


def test_passed_sockets_come_with_their_names_and_go_to_no_child():
    with socket.create_server(("127.0.0.1", 0)) as web, socket.create_server(("127.0.0.1", 0)) as ops:
        ports = [one.getsockname()[1] for one in (web, ops)]
        assert run_with([web, ops], "http:ops") == [f"http {ports[0]} False", f"ops {ports[1]} False", "[]"]
        assert run_with([web], "") == [f" {ports[0]} False", "[]"]


def test_sockets_for_another_process_are_left_alone():
    with socket.create_server(("127.0.0.1", 0)) as web:
        assert run_with([web], "http", "1") == ["[]"]


def test_without_variables_nothing_is_passed():
    assert passed_sockets({}) == []
