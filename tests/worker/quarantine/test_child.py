"""A child as its worker sees it; scripts take the place of quarantine processes."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from hookbus.worker.pipeline.outcome import ACK
from hookbus.worker.quarantine import child as module
from hookbus.worker.quarantine.child import Child, ChildEndedError
from hookbus.worker.quarantine.messages import Order
from tests.wait import until
from tests.worker.builders import an_in_flight

PREAMBLE = """
import os, signal, socket, sys, time
channel = socket.socket(fileno=int(sys.argv[1]))
orders = channel.makefile()
def say(text):
    channel.sendall(text.encode() + b"\\n")
"""
READY = 'say(\'{"consumer": "c.quarantine"}\')\n'
READ = "order = orders.readline()\n"
ANSWER = 'say(\'{"kind": "Ack"}\')\n'
DIE = "os.kill(os.getpid(), signal.SIGKILL)\n"
ORDER = Order.of(an_in_flight(), "me")


class Script:
    """A `Launch` of a script."""

    def __init__(self, text: str) -> None:
        self._command = [sys.executable, "-S", "-c", PREAMBLE + text]

    def start(self, descriptor: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([*self._command, str(descriptor)], pass_fds=(descriptor,))


@contextlib.asynccontextmanager
async def child_of(script: str) -> AsyncIterator[Child]:
    child = Child(Script(script))  # type: ignore[arg-type]
    try:
        yield child
    finally:
        child.close()
        if child._process is not None:
            child._process.kill()
            await child.ended()


@contextlib.asynccontextmanager
async def started(script: str) -> AsyncIterator[Child]:
    async with child_of(READY + script) as child:
        await child.start()
        yield child


async def test_a_child_tells_its_name_and_answers_each_order():
    async with started(READ + ANSWER + READ + "say('{}')\n" + READ) as child:
        assert (child.consumer, child.runs) == ("c.quarantine", 0)
        assert (await child.run(ORDER)).outcome == ACK
        assert (await child.run(ORDER)).outcome is None
        assert (child.runs, child.has_ended()) == (2, False)


async def test_a_child_that_takes_its_time_is_waited_for(monkeypatch):
    monkeypatch.setattr(module, "POLL_S", 0.02)
    async with child_of("time.sleep(0.2)\n" + READY + READ + "time.sleep(0.2)\n" + ANSWER + READ) as child:
        await child.start()
        assert (await child.run(ORDER)).outcome == ACK


@pytest.mark.parametrize(("end", "how"), [("sys.exit(3)", "exit code 3"), (DIE, "signal 9")])
async def test_a_child_that_ends_before_it_is_ready_is_an_error_that_says_how(end, how):
    async with child_of(end) as child:
        with pytest.raises(ChildEndedError, match=how):
            await child.start()
        assert child.has_ended()


async def test_a_child_that_does_not_become_ready_is_killed(monkeypatch):
    monkeypatch.setattr(module, "START_S", 0.2)
    async with child_of(READ) as child:
        with pytest.raises(ChildEndedError, match=r"not ready after 0\.2 s"):
            await child.start()
        await until(child.has_ended)


async def test_a_child_that_dies_of_an_order_is_an_error_that_says_how():
    async with started(READ + DIE) as child:
        with pytest.raises(ChildEndedError, match="signal 9"):
            await child.run(ORDER)
        assert child.has_ended()


async def test_an_order_to_a_child_that_has_died_is_an_error_too():
    async with started(DIE) as child:
        await until(child.has_ended)
        with pytest.raises(ChildEndedError, match="signal 9"):
            await child.run(ORDER)


async def test_an_answer_that_breaks_off_is_no_answer():
    async with started(READ + "channel.sendall(b'{\"kind\"')\nsys.exit(4)") as child:
        with pytest.raises(ChildEndedError, match="exit code 4"):
            await child.run(ORDER)


async def test_an_answer_that_cannot_be_read_is_an_error_that_says_so():
    async with started(READ + "say('no')\n" + READ) as child:
        with pytest.raises(ChildEndedError, match="it said what cannot be read"):
            await child.run(ORDER)


async def test_an_answer_written_just_before_the_end_counts():
    async with started(READ + ANSWER) as child:
        assert (await child.run(ORDER)).outcome == ACK


async def test_a_process_that_a_handler_forked_does_not_hide_the_end():
    """It holds the socket until its other end is closed."""
    async with started(READ + "if os.fork():\n    os._exit(5)\n" + READ) as child:
        with pytest.raises(ChildEndedError, match="exit code 5"):
            await child.run(ORDER)


async def test_a_child_that_closes_its_socket_and_lives_is_given_up():
    async with started(READ + "orders.close()\nchannel.close()\ntime.sleep(60)") as child:
        with pytest.raises(ChildEndedError, match="it closed its socket"):
            await child.run(ORDER)
        assert not child.has_ended()


async def test_a_drained_child_sees_the_end_of_its_orders_and_can_still_answer():
    async with started(READ + "assert orders.readline() == ''\n" + ANSWER) as child:
        running = asyncio.create_task(child.run(ORDER))
        await until(lambda: child.runs)
        child.drain()
        child.drain()
        assert (await running).outcome == ACK
        await child.ended()
        assert child._process is not None
        assert child._process.returncode == 0


async def test_a_closed_child_ends_by_itself():
    async with started(READ) as child:
        child.close()
        await child.ended()
        child.drain()
        assert child.has_ended()


async def test_a_child_that_never_began_has_ended():
    child = Child(Script(""))  # type: ignore[arg-type]
    child.drain()
    child.close()
    assert child.has_ended()
    await child.ended()


async def test_a_child_that_cannot_be_started_leaves_no_socket_open(monkeypatch):
    def refuse(_self: Script, _descriptor: int) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(Script, "start", refuse)
    with pytest.raises(OSError, match="no memory"):  # an open socket would be a warning, and a warning an error
        await Child(Script("")).start()  # type: ignore[arg-type]
