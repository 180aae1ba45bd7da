"""docket: https://docket.lol. A worker renews the leases of what it runs; only failures count as attempts."""

import asyncio
from datetime import timedelta

from docket import Docket, Retry
from docket.execution import ExecutionState

from tests.peers import job, peer

NAME = "five"
RETRY = Retry(attempts=peer.ATTEMPTS, delay=timedelta(seconds=peer.RETRY_S))


async def perform(name: str, word: str, retry: Retry = RETRY) -> None:
    """The handler."""
    await job.perform("docket", name, word)


tasks = [perform]


def connected() -> Docket:
    """A client."""
    docket = Docket(name=NAME, url=peer.url())
    docket.register(perform)
    return docket


async def send(name: str, word: str) -> None:
    """A task by its own client."""
    async with connected() as docket:
        await docket.add(perform, key=name)(name, word)


async def spoil(name: str) -> None:
    """Its client keeps the arguments pickled in a field of a stream's entry."""
    async with connected() as docket:
        await docket.add(perform, key=name)(name, job.OK)
        async with docket.redis() as client:
            for entry, fields in await client.xrange(docket.stream_key):
                if fields[b"key"] == name.encode():
                    await client.xadd(docket.stream_key, fields | {b"args": peer.garbage(name)})
                    await client.xdel(docket.stream_key, entry)


async def dead(names: list[str]) -> set[str]:
    """Executions with that state."""
    failed = set()
    async with connected() as docket:
        for name in names:
            execution = await docket.get_execution(name)
            if execution is not None and execution.state is ExecutionState.FAILED:
                failed.add(name)
    return failed


PEER = peer.Peer(
    name="docket",
    packages=("pydocket", "redis"),
    settings=f"`--concurrency` {peer.CONCURRENCY}, `--redelivery-timeout` {peer.LEASE_S} s,"
    f" `Retry(attempts={peer.ATTEMPTS})`",
    record="failed execution",
    lease_s=peer.LEASE_S * 1.31,
    worker=(
        "-m",
        "docket",
        "worker",
        "--docket",
        NAME,
        "--url",
        peer.url(),
        "--tasks",
        "tests.peers.docket:tasks",
        "--concurrency",
        str(peer.CONCURRENCY),
        "--redelivery-timeout",
        f"{peer.LEASE_S}s",
    ),
    send=send,
    spoil=spoil,
    dead=dead,
)

if __name__ == "__main__":
    asyncio.run(peer.serve(PEER))
