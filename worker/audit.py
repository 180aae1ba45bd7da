"""The audit: which person changed what, by a tool or the console, when and why.

An action is recorded before it changes anything, and refused when that fails. When it ends, a second record replaces
the first and adds what it moved; an action whose program was killed keeps its first. Names are as the program or its
proxy gives them: a person who may write to Redis can write another.

Costs two commands an action, however many letters it moves, and some 500 bytes (measured): five megabytes for `KEPT`.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final, Literal

import msgspec
from msgspec import structs
from redis.exceptions import ResponseError

from ..shared import scripts
from ..shared.command import FailedError
from ..shared.connection import FAULTS, Redis
from ..shared.fault import fault_of, is_access_refused
from ..shared.keys import HOME
from ..shared.settings import ConfigError
from ..shared.times import LAST_MS, iso
from ..shared.undecodable import UNDECODABLE

KEPT: Final = 10_000
"""Actions: a year of thirty a day (a guess)."""
TEXT_CHARS: Final = 500
"""Longest reason, error or name that is kept: a paragraph."""
VALUES: Final = 20
"""Most values of one option that are kept, such as of `--id`."""

ID: Final = r"[0-9]{1,19}-[0-9]{1,19}"
"""Of a record; Redis refuses numbers of more digits."""

Via = Literal["tool", "console"]
Result = Literal["", "done", "stopped", "failed"]
""" "" until the action ends: it still runs, or its program was killed."""


class Action(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a person asked for. `matching` is how many letters or events it concerns, None where that is unknown."""

    verb: str
    who: str
    via: Via = "tool"
    role: str = "operator"
    criteria: dict[str, list[str]] = msgspec.field(default_factory=dict, name="filter")
    """Name of an option → its values; see `options`."""
    matching: int | None = None
    why: str = ""


class Record(Action, frozen=True, omit_defaults=True, kw_only=True):
    """An action as the audit has it."""

    begun: str = ""
    """Id of the record of its beginning; "" in that record."""
    moved: int | None = None
    gone: int | None = None
    result: Result = ""
    error: str = ""
    told: str = ""
    """What it has done, in lines as its person read them; "" where the numbers tell all."""


class Entry(Record, frozen=True, omit_defaults=False, kw_only=True):
    """A record with its id, by which the next page is asked for, and its times in Unix ms."""

    id: str
    begun_ms: int
    ended_ms: int | None = None


class Progress:
    """What an action has moved so far; its body sets it."""

    def __init__(self) -> None:
        self.moved: int | None = None
        self.gone: int | None = None
        self.is_stopped = False
        """The person stopped it before its end."""
        self.told = ""
        self.record = ""
        """Id of the record: of its beginning, then of its end."""

    def set(self, moved: int, gone: int = 0, *, is_stopped: bool = False) -> None:
        """What it has moved in all, and what was gone before it came."""
        self.moved, self.gone, self.is_stopped = moved, gone, is_stopped


UNREADABLE: Final = Record(verb="unreadable", who="")
"""The record that a release of another layout, or somebody else, wrote."""

_decode: Final = msgspec.json.Decoder(Record).decode


def options(since_ms: int = 0, until_ms: int = LAST_MS, **values: str | Iterable[str]) -> dict[str, list[str]]:
    """The filter of an action from the options of its command; those without a value are left out."""
    values |= {"since": iso(since_ms) if since_ms else "", "until": iso(until_ms) if until_ms < LAST_MS else ""}
    lists = {name: [value] if isinstance(value, str) else list(value) for name, value in values.items() if value}
    return {name: _bounded(given) for name, given in lists.items() if given}


def _bounded(values: list[str]) -> list[str]:
    kept = [_text(value) for value in values[:VALUES]]
    return kept if len(values) <= VALUES else [*kept, f"… {len(values) - VALUES:,} more"]


def _text(text: str) -> str:
    """Arguments and names of a system may hold bytes that are no UTF-8, as surrogates."""
    return text.encode("utf-8", "backslashreplace").decode()[:TEXT_CHARS]


@asynccontextmanager
async def recorded(client: Redis, action: Action, warn: Callable[[str], None]) -> AsyncIterator[Progress]:
    """Record an action that the body does, and how it ended. Raises as `begin` does, before the body; `warn` gets a
    sentence when only its end can't be recorded."""
    progress, failure = Progress(), None
    progress.record = begun = await begin(client, action)
    try:
        yield progress
    except BaseException as error:
        failure = error
        raise
    finally:
        try:
            progress.record = await end(client, action, begun, progress, failure)
        except FAULTS as fault:
            warn(f"the end of this action could not be recorded: {fault_of(fault).detail}")


async def begin(client: Redis, action: Action) -> str:
    """Record that an action begins. Returns the id of the record. Raises FailedError or ConfigError when that is
    impossible: then the action must not happen."""
    try:
        return await _write(client, Record(**structs.asdict(_clean(action))))
    except FAULTS as error:
        problem = f"nothing was changed: who does it can't be recorded in {HOME.audit}: {fault_of(error).detail}"
        raise (ConfigError([problem]) if is_access_refused(error) else FailedError(problem)) from None


async def require(client: Redis) -> None:
    """Raise ConfigError when this user of Redis may not record actions, which a program should learn when it starts.

    Changes nothing: no record has that id. Raises RedisError, OSError."""
    try:
        await client.execute_command("XDEL", HOME.audit, "0-1")
    except ResponseError as error:
        if is_access_refused(error):
            problem = f"the user in redis_url may not record actions in {HOME.audit}, so none is possible"
            raise ConfigError([f"{problem}: {fault_of(error).detail}"]) from None


async def end(
    client: Redis, action: Action, begun: str, progress: Progress, failure: BaseException | None = None
) -> str:
    """Record how an action ended; `begun` is the id of its record. Returns that of the new one. Raises RedisError,
    OSError."""
    is_stopped = progress.is_stopped or not isinstance(failure, Exception | None)
    record = Record(
        **structs.asdict(_clean(action)),
        begun=begun,
        moved=progress.moved,
        gone=progress.gone,
        result="stopped" if is_stopped else "failed" if failure else "done",
        error=_text(str(failure)) if isinstance(failure, Exception) else "",
        told=_text(progress.told),
    )
    return await _write(client, record)


def _clean(action: Action) -> Action:
    return structs.replace(action, who=_text(action.who), why=_text(action.why))


async def _write(client: Redis, record: Record) -> str:
    args = (KEPT, msgspec.json.encode(record), record.begun)
    entry_id: bytes = await scripts.run(client, scripts.Call(scripts.RECORD, (HOME.audit,), args))
    return entry_id.decode()


async def fetch(client: Redis, limit: int, since_ms: int = 0, before: str = "") -> list[Entry]:
    """The last actions, newest first: those that ended, or began and have not ended, since a time. `before` is the id
    of the last one of the page before. Raises RedisError, OSError."""
    last = f"({before}" if before else "+"
    found = await client.execute_command("XREVRANGE", HOME.audit, last, since_ms, "COUNT", limit)
    return [_entry(entry_id.decode(), fields) for entry_id, fields in found]


async def find(client: Redis, record: str) -> Entry | None:
    """The action of a record; None where there is none, or no longer. Raises RedisError, OSError."""
    found = await client.execute_command("XRANGE", HOME.audit, record, record)
    return _entry(record, found[0][1]) if found else None


def _entry(entry_id: str, fields: list[bytes]) -> Entry:
    try:
        record = _decode(fields[1])
        begun_ms = _ms(record.begun or entry_id)
    except UNDECODABLE:
        record, begun_ms = UNREADABLE, _ms(entry_id)
    ended_ms = _ms(entry_id) if record.begun else None
    return Entry(**structs.asdict(record), id=entry_id, begun_ms=begun_ms, ended_ms=ended_ms)


def _ms(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])
