"""Runs `hookbus-worker verify` as a process, and reads the keys that it leaves."""

import re
from typing import Any

from redis.asyncio import Redis

from hookbus.shared.keys import Keys
from hookbus.shared.valkey import Valkey
from hookbus.worker.verify import runs
from tests.programs import SECRET, Program
from tests.wait import until


class Verify(Program):
    """A run against an ingest at `url`; its report is the one line of JSON."""

    def __init__(self, redis_url: str, url: str, *args: str, **environ: str) -> None:
        arguments = ("--url", url, "--json", *args)
        super().__init__(
            "hookbus-worker", "verify", *arguments, redis_url=redis_url, **{"OPENAI_WEBHOOK_SECRET": SECRET} | environ
        )

    async def done(self, number: int = 0, timeout_s: float = 45) -> tuple[int, dict[str, Any]]:
        """Exit code and report of the ended run; `number` is a signal to send first."""
        code = await self.end(number, timeout_s) if number else await _ended(self, timeout_s)
        reports = [line for line in self.lines if "missing_ids" in line]
        assert len(reports) == 1, self.raw
        return code, reports[0]

    def __enter__(self) -> "Verify":
        return self


async def _ended(program: Program, timeout_s: float) -> int:
    await until(lambda: program.process.poll() is not None, timeout_s, "the end of verify")
    return await program.end()


async def run_name(client: Redis, shards: int = 1) -> str:
    """The name of the only running run, once its group exists."""

    async def found() -> list[str]:
        return await runs._names(client, [Keys(shard) for shard in range(shards)])

    [name] = await until(found)
    return name


async def stored(client, name: str) -> list[tuple[bytes, list[bytes]]]:
    return await client.execute_command("XRANGE", Keys(0).stream(name), "-", "+")


async def pause(client, name: str) -> None:
    """Pause the worker of the run."""
    await client.execute_command("HSET", Keys(0).paused, f"{name}|*", 1)


async def paused_with(client, name: str, backlog: int) -> list[tuple[bytes, list[bytes]]]:
    """The entries not yet delivered, once there are `backlog` of them; the worker of the run is paused."""
    await pause(client, name)

    async def waiting():
        if not await client.execute_command("EXISTS", Keys(0).stream(name)):
            return None  # the group is registered, but has not joined yet
        [flat] = await client.execute_command("XINFO", "GROUPS", Keys(0).stream(name))
        group = dict(zip(flat[::2], flat[1::2], strict=True))
        after = group[b"last-delivered-id"].decode()
        found = await client.execute_command("XRANGE", Keys(0).stream(name), f"({after}", "+")
        return found if len(found) >= backlog else None

    return await until(waiting)


async def remaining_keys(client: Redis) -> list[str]:
    """The remaining keys, except the layout, the dedupe digests, and what ingest tells about itself."""
    names = [name.decode() for name in await client.execute_command("KEYS", "*")]
    return sorted(name for name in names if not re.search(":seen:|:rejections$|:meta$|:generations$|:ingests$", name))


def other_database(server: Valkey) -> str:
    """A Redis that is not the one that ingest stores in."""
    return f"{server.url}{'&' if '?' in server.url else '?'}db=1"
