"""The program of a quarantine process: runs the suspects of the worker that started it, one at a time.

It claims a suspect from its worker under a name of its own, runs and settles it as a worker does, and answers with the
outcome. If it dies, the suspect is pending under that name, and whoever takes over notes the death. It ends when its
worker closes the socket, at SIGTERM, or when its worker is gone: it finishes what it runs within the grace period, else
hands it over, which counts as no death.
"""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from ..shared import command, command_line, keys, log, scripts, server
from ..shared.command import Stopping
from ..shared.keys import Keys
from ..shared.process_name import new_name
from .consumer import Consumer
from .crew import Crew
from .duties.retire import retire
from .duties.running_now import RunningNow
from .lifespans import CLOSE_S, Lifespans
from .pipeline.routes import Group
from .quarantine.guard import Guard
from .quarantine.judge import POLL_S, Judge
from .quarantine.messages import LIMIT_BYTES, Answer, Order, Ready, line
from .run import groups_of
from .settings import WorkerSettings, load_settings
from .shutdown import STOP_S, Shutdown

_read_order = msgspec.json.Decoder(Order).decode


def main(arguments: Sequence[str]) -> NoReturn:
    """Run with the arguments that `Launch.start` passes."""
    command_line.run(functools.partial(_run, arguments), "hookbus-worker")


def _run(arguments: Sequence[str], prog_name: str) -> None:
    descriptor, parent, config, only, *targets = arguments
    channel = socket.socket(fileno=int(descriptor))
    channel.set_inheritable(False)  # a process that a handler starts must not keep it open
    settings = load_settings(Path(config) if config else None)
    command.start_log(f"{prog_name} quarantine", settings.log_level)
    groups = groups_of(settings, targets, only)

    async def work(stopping: Stopping) -> None:
        process = QuarantineProcess(settings, groups, only, stopping)
        await process.run(channel, int(parent))
        if process.has_leftovers():
            command.end_now(0)

    command.run_service(work)


class QuarantineProcess:
    """One child of a worker, for the same groups."""

    def __init__(self, settings: WorkerSettings, groups: Sequence[Group], only: str, stopping: Stopping) -> None:
        self._grace_s = settings.grace_period_s
        self._groups = groups
        self._stopping = stopping
        self._lifespans = Lifespans(groups, owns_process=True)
        name = f"{new_name()}{keys.QUARANTINED}"
        self._consumer = Consumer(name, settings, groups, only, stopping, _leave_to_the_workers, has_quarantine=False)
        self._judge = Judge(
            client=self._consumer.client,
            consumer=name,
            groups=groups,
            outcome_writer=self._consumer.outcome_writer,
            stopping=stopping,
        )

        self._consumer.liveness.on_renewed = RunningNow(name, self._judge.subscribers).publish

    async def run(self, channel: socket.socket, parent: int) -> None:
        """Run suspects until the end of the worker, or stopping. Raises ConfigError, FailedError."""
        reader, writer = await asyncio.open_unix_connection(sock=channel, limit=LIMIT_BYTES)
        self._guard(parent)
        orders: asyncio.Queue[bytes] = asyncio.Queue()
        crew = Crew()
        try:
            crew.start_background(self._listen(reader, orders), "orders")
            if await self._lifespans.open(self._stopping) and await self._consumer.connected(self._inspect):
                await self._work(crew, orders, writer)
        finally:
            crew.cancel()
            await self._lifespans.close(CLOSE_S)
            await self._consumer.close()
            writer.close()
        log.get("worker.quarantine").info("stopped", consumer=self._consumer.name)

    def has_leftovers(self) -> bool:
        """Whether handlers or lifespans still run that would keep the process alive."""
        return self._judge.has_leftovers() or self._lifespans.has_leftovers()

    async def _inspect(self) -> None:
        await server.inspect(self._consumer.client.execute_command, len(self._consumer.shards))

    async def _work(self, crew: Crew, orders: "asyncio.Queue[bytes]", writer: asyncio.StreamWriter) -> None:
        shutdown = Shutdown(self._consumer, self._judge.subscribers, self._judge.release, self._retire)
        try:
            crew.start_background(self._consumer.outcome_writer.run(), "OutcomeWriter")
            crew.start_background(self._lifespans.run(), "lifespans")
            _say(writer, Ready(self._consumer.name))
            crew.start(self._serve(orders, writer), "suspects")
            await crew.finished()
            interrupted = await shutdown.finish(self._grace_s)
            _say(writer, await self._judge.answer())
            await crew.end()
            await shutdown.leave(interrupted)
        except BaseException:
            crew.cancel()
            await shutdown.die()
            raise

    def _guard(self, parent: int) -> None:
        stop = functools.partial(asyncio.get_running_loop().call_soon_threadsafe, self._stopping.set)
        Guard(
            parent=parent,
            loop_age_s=self._consumer.tick.age_s,
            limit_s=self._consumer.longest_block_s,
            stop=stop,
            stop_s=self._grace_s + STOP_S,
        ).start()

    async def _listen(self, reader: asyncio.StreamReader, orders: "asyncio.Queue[bytes]") -> None:
        """Pass the orders on; the end of them is the end of the process."""
        with contextlib.suppress(OSError):
            while text := await reader.readline():
                orders.put_nowait(text)
        self._stopping.set()
        await asyncio.Event().wait()

    async def _serve(self, orders: "asyncio.Queue[bytes]", writer: asyncio.StreamWriter) -> None:
        """Run one suspect after the other; end after one whose handler runs on, as the next would not be alone."""
        while not self._stopping.is_set() and not self._judge.has_leftovers():
            if text := await _next(orders):
                _say(writer, await self._judge.judge(_read_order(text)))

    async def _retire(self) -> None:
        for shard in self._consumer.shards:
            for group in self._groups:
                streams = sorted(self._judge.streams[shard, group.name])
                await scripts.run(self._consumer.client, retire(shard, group.name, self._consumer.name, streams))


async def _next(orders: "asyncio.Queue[bytes]") -> bytes:
    """The next order; empty if there is none yet."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(POLL_S):
            return await orders.get()
    return b""


def _leave_to_the_workers(_shard: Keys, _group: str, _due_ms: int) -> None:
    """They look when parked deliveries are due."""


def _say(writer: asyncio.StreamWriter, message: Ready | Answer | None) -> None:
    """Send a message, if any. If the worker is gone, `_listen` notices."""
    if message is not None:
        with contextlib.suppress(OSError):
            writer.write(line(message))
