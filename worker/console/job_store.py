"""What Redis holds of a job, so that every console shows its progress, stops it, or goes on with it.

One hash a job. The console that runs it writes its numbers once a second, and reads whether somebody has asked to stop.
Without that for `LOST_S` its console is gone, and the job *interrupted*: what is left is still there, since each move
is atomic. A hash is gone a day after it was written last, and none is made when Redis is nearly full: the job runs
nevertheless, seen by its own console alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec

from ...shared.connection import Redis
from ...shared.keys import HOME
from ...shared.undecodable import UNDECODABLE
from ..audit import Action
from ..inventory import registry

BEAT_S: Final = 1.0
LOST_S: Final = 5.0
"""Five beats: a console that is busy, or whose Redis hangs, is slower than one."""
KEPT_S: Final = 86_400
"""A day, for whoever looks the next morning; the audit keeps the result for longer."""

State = Literal["runs", "done", "stopped", "failed", "interrupted"]
UNENDED: Final = ("stopped", "failed", "interrupted")


class Confirmed(msgspec.Struct, frozen=True):
    """What was confirmed: the action, the form that its plan is counted from, and how many are moved."""

    action: Action
    form: dict[str, str]
    moving: int
    rate: float


class Numbers(msgspec.Struct, frozen=True):
    """How far it is at `at_ms`, by Redis' clock; `reached_ms` and `waits` as of `Tally`."""

    at_ms: int
    state: State = "runs"
    moved: int = 0
    gone: int = 0
    error: str = ""
    reached_ms: int = 0
    waits: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as a page shows it. `id` is that of the audit's record of its beginning; `next` of the job that went on."""

    id: str
    confirmed: Confirmed
    numbers: Numbers
    next: str = ""

    @property
    def state(self) -> State:
        """How it stands."""
        return self.numbers.state

    @property
    def done(self) -> int:
        """Those that it has come to: moved, or gone before."""
        return self.numbers.moved + self.numbers.gone

    @property
    def left(self) -> int:
        """Those that it has not come to."""
        return max(0, self.confirmed.moving - self.done)

    @property
    def per_second(self) -> float:
        """Its speed so far; 0 in its first second, which tells nothing."""
        took_s = (self.numbers.at_ms - int(self.id.partition("-")[0])) / 1000
        return self.done / took_s if took_s >= 1 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until its end at this speed; None where nobody knows."""
        speed = self.per_second
        return self.left / speed if speed and self.state == "runs" else None

    @property
    def can_go_on(self) -> bool:
        """Whether somebody may go on with what is left."""
        return self.state in UNENDED and self.left > 0 and not self.next


_confirmed: Final = msgspec.json.Decoder(Confirmed).decode
_numbers: Final = msgspec.json.Decoder(Numbers).decode


async def create(client: Redis, job_id: str, job: Confirmed) -> None:
    """Make a job known. Raises RedisError, OSError."""
    await _written(client, job_id, "HSET", {"job": msgspec.json.encode(job)})


async def beat(client: Redis, job_id: str, numbers: Numbers) -> bool:
    """Write the numbers of a job. Returns whether it shall stop: somebody asked, or went on with it. Raises RedisError,
    OSError."""
    await _written(client, job_id, "HSET", {"numbers": msgspec.json.encode(numbers)})
    return any(await client.execute_command("HMGET", HOME.job(job_id), "stop", "next"))


async def ask_to_stop(client: Redis, job_id: str, who: str) -> None:
    """Let the console that runs a job stop it, within two beats. Raises RedisError, OSError."""
    await _written(client, job_id, "HSET", {"stop": who})


async def claim(client: Redis, job_id: str, following: str) -> bool:
    """Whether `following` is the job that goes on with this one, rather than another. Raises RedisError, OSError."""
    return bool(await _written(client, job_id, "HSETNX", {"next": following}))


async def _written(client: Redis, job_id: str, command: str, fields: Mapping[str, bytes | str]) -> int:
    """Write with a limit in one transaction: a hash without one would stay for ever."""
    key = HOME.job(job_id)
    pipeline = client.pipeline(transaction=True)
    for name, value in fields.items():
        pipeline.execute_command(command, key, name, value)
    pipeline.execute_command("EXPIRE", key, KEPT_S)
    changed, _ = await pipeline.execute()
    return int(changed)


async def fetch(client: Redis, job_id: str) -> Seen | None:
    """A job of any console; None if Redis does not hold it. Raises RedisError, OSError."""
    job, numbers, following = await client.execute_command("HMGET", HOME.job(job_id), "job", "numbers", "next")
    return read(job_id, job, numbers, following, await registry.now_ms(client)) if job else None


def read(job_id: str, job: Any, numbers: Any, following: Any, now_ms: int) -> Seen | None:
    """A job from its fields; None for what another release wrote."""
    begun_ms = int(job_id.partition("-")[0])
    try:
        found = _numbers(numbers) if numbers else Numbers(begun_ms)
        seen = Seen(job_id, _confirmed(job), found, following.decode() if following else "")
    except UNDECODABLE:
        return None
    if found.state == "runs" and now_ms - found.at_ms > LOST_S * 1000:
        return replace(seen, numbers=msgspec.structs.replace(found, state="interrupted"))
    return seen
