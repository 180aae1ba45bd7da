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
from typing import Final, NoReturn

import msgspec

from ..shared import command, health, keys, log, scripts, server
from ..shared.backoff import Reconnect
from ..shared.command import Stopping
from ..shared.connection import FAULTS, connect
from ..shared.keys import Keys
from ..shared.pause import pause
from ..shared.raw_connection import RawConnection
from .connections import reread_address
from .consumer import new_name
from .crew import Crew
from .duties.heartbeat import Liveness
from .duties.takeover import retire
from .lifespans import CLOSE_S, Lifespans
from .pipeline.routes import Group
from .quarantine.guard import Guard
from .quarantine.judge import POLL_S, Judge
from .quarantine.messages import LIMIT_BYTES, Answer, Order, Ready, line
from .run import groups_of
from .settings import WorkerSettings, load_settings
from .shutdown import HANDOVER_S, STOP_S, WRITE_GRACE_S
from .supervise import STUCK_MARGIN_S

CONNECTIONS: Final = 4
"""For commands that follow each other: more than are open at once."""

_read_order = msgspec.json.Decoder(Order).decode


def main(arguments: Sequence[str]) -> NoReturn:
    """Run with the arguments that `Launch.start` passes."""
    command.run(functools.partial(_run, arguments), "hookbus-worker")


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
        self._settings = settings
        self._groups = {group.name: group for group in groups}
        self._stopping = stopping
        self._lifespans = Lifespans(groups, owns_process=True)
        self._shards = [Keys(shard) for shard in range(settings.shards)]
        self._consumer = consumer = f"{new_name()}{keys.QUARANTINED}"
        address = settings.address()
        stopping.on_hangup = functools.partial(reread_address, address)
        self._control = connect(address, f"hookbus-worker:{consumer}", connections=CONNECTIONS, has_term=True)
        self._write = RawConnection(connect(address, f"hookbus-worker:settle:{consumer}", has_term=True))
        self._judge = Judge(
            client=self._control,
            write=self._write,
            consumer=consumer,
            groups=self._groups,
            stopping=stopping,
            grace_s=settings.grace_period_s,
            write_grace_s=WRITE_GRACE_S,
        )
        self._tick = health.LoopTick(asyncio.get_running_loop())
        self._limit_s = max(route.timeout_s for group in groups for route in group.routes) + STUCK_MARGIN_S
        self._liveness = Liveness(
            address,
            consumer,
            groups={group.name: [route.pattern for route in group.routes] for group in groups},
            only=only,
            shards=self._shards,
            loop_age_s=self._tick.age_s,
            hard_limit_s=self._limit_s,
        )
        self._log = log.get("worker.quarantine")

    async def run(self, channel: socket.socket, parent: int) -> None:
        """Run suspects until the end of the worker, or stopping. Raises ConfigError, FailedError."""
        reader, writer = await asyncio.open_unix_connection(sock=channel, limit=LIMIT_BYTES)
        self._guard(parent)
        crew = Crew()
        orders: asyncio.Queue[bytes] = asyncio.Queue()
        try:
            crew.start_background(self._listen(reader, orders), "orders")
            if await self._lifespans.open(self._stopping) and await self._connected():
                crew.start_background(self._judge.outcome_writer.run(), "OutcomeWriter")
                crew.start_background(self._lifespans.run(), "lifespans")
                _say(writer, Ready(self._consumer))
                crew.start(self._serve(orders, writer), "suspects")
                await crew.finished()
                await self._leave()
        except BaseException:  # a death: nothing is written, and whoever takes over notes it
            crew.cancel()
            await self._judge.close(is_death=True)
            self._liveness.stop()
            raise
        finally:
            crew.cancel()
            await self._lifespans.close(CLOSE_S)
            self._tick.stop()
            await self._control.aclose()
            await self._write.aclose()
        self._log.info("stopped", consumer=self._consumer)

    def has_leftovers(self) -> bool:
        """Whether handlers or lifespans still run that would keep the process alive."""
        return self._judge.has_leftovers() or self._lifespans.has_leftovers()

    def _guard(self, parent: int) -> None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            loop.call_soon_threadsafe(self._stopping.set)

        Guard(
            parent=parent,
            loop_age_s=self._tick.age_s,
            limit_s=self._limit_s,
            stop=stop,
            stop_s=self._settings.grace_period_s + STOP_S,
        ).start()

    async def _listen(self, reader: asyncio.StreamReader, orders: "asyncio.Queue[bytes]") -> None:
        """Pass the orders on; the end of them is the end of the process."""
        with contextlib.suppress(OSError):
            while text := await reader.readline():
                orders.put_nowait(text)
        self._stopping.set()
        orders.put_nowait(b"")
        await asyncio.Event().wait()

    async def _connected(self) -> bool:
        """Wait for a healthy Redis, start the heartbeat. False if stopped before that."""
        reconnect = Reconnect()
        while not self._stopping.is_set():
            try:
                await server.inspect(self._control.execute_command, self._settings.shards)
                await asyncio.to_thread(self._liveness.start)
            except FAULTS as error:
                self._log.warning("redis_unreachable", reason=str(error) or type(error).__name__)
                await pause(self._stopping, reconnect.next_s())
            else:
                return True
        return False

    async def _serve(self, orders: "asyncio.Queue[bytes]", writer: asyncio.StreamWriter) -> None:
        """Run one suspect after the other; end after one whose handler runs on, as the next would not be alone."""
        while not self._stopping.is_set() and not self._judge.has_leftovers():
            text = await self._next(orders)
            if text and (answer := await self._judge.judge(_read_order(text))) is not None:
                _say(writer, answer)

    async def _next(self, orders: "asyncio.Queue[bytes]") -> bytes:
        """The next order; empty if there is none yet."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                return await orders.get()
        return b""

    async def _leave(self) -> None:
        """Hand over what did not end, and leave the groups."""
        await self._judge.close(is_death=False)
        with contextlib.suppress(*FAULTS):  # else others take over, and note a death
            async with asyncio.timeout(HANDOVER_S):
                await self._judge.release()
        await asyncio.to_thread(self._liveness.stop)
        with contextlib.suppress(*FAULTS):  # else a worker removes this consumer
            async with asyncio.timeout(HANDOVER_S):
                for shard in self._shards:
                    for group in self._groups:
                        streams = self._judge.streams(shard, group)
                        await scripts.run(self._control, retire(shard, group, self._consumer, streams))


def _say(writer: asyncio.StreamWriter, message: Ready | Answer) -> None:
    """Send a message. If the worker is gone, `_listen` notices."""
    with contextlib.suppress(OSError):
        writer.write(line(message))
