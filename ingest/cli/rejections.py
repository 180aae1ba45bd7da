"""`hookbus-ingest rejections`: prints the last rejections, and new ones with `--follow`."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ...shared import clock, output
from ...shared.command import Stopping, run_service
from ...shared.connection import connect
from ...shared.pause import pause
from ...shared.rejection import Rejection, read
from ...shared.times import moment
from ..settings import IngestSettings

INTERVAL_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class RejectionFilter:
    """Which rejections to print: by code (empty: all), since a time (as `--since` has it, "" for all), and how many of
    the newest."""

    codes: Sequence[str]
    since: str
    limit: int

    def of(self, entries: Sequence[tuple[bytes, Rejection]]) -> list[Rejection]:
        """The rejections of the wanted codes."""
        return [rejection for _, rejection in entries if not self.codes or rejection.code in self.codes]


def run(settings: IngestSettings, criteria: RejectionFilter, *, follow: bool, as_json: bool) -> None:
    """Print the rejections, and with `follow` new ones until interrupted. Raises RedisError, OSError."""

    async def show(stopping: Stopping | None) -> None:
        client = connect(settings.address(), "hookbus-ingest:rejections", connections=1)
        try:
            if criteria.since:
                await clock.follow_redis(client.execute_command)
            since_ms = moment("--since", criteria.since, 0)
            entries = await read(client, since_ms)
            _print(criteria.of(entries)[-criteria.limit :], as_json)
            if stopping is None and not criteria.of(entries) and not as_json:
                print("no matching rejections" if criteria.codes or criteria.since else "no rejections")
            while stopping is not None and not stopping.is_set():
                output.require_reader()
                await pause(stopping, INTERVAL_S)
                fresh = await read(client, since_ms, after=entries[-1][0] if entries else b"")
                _print(criteria.of(fresh), as_json)
                entries = fresh or entries
        finally:
            await client.aclose()

    if follow:
        run_service(show)
    else:
        asyncio.run(show(None))


def _print(rejections: Sequence[Rejection], as_json: bool) -> None:
    for rejection in rejections:
        if as_json:
            output.print_json(rejection)
        else:
            output.print_lines(map(output.one_line, lines(rejection)))
    if sys.stdout is not None:
        sys.stdout.flush()


def lines(rejection: Rejection) -> list[str]:
    """A rejection for people: a line of facts, and below it a line of header names."""
    size = "no length" if rejection.body_bytes is None else f"{rejection.body_bytes:,} bytes"
    parts = [
        output.moment(rejection.at_ms),
        f"{rejection.status} {rejection.code}",
        rejection.source or "no source",
        f"from {rejection.peer or 'unknown'}",
        *([f"to {rejection.path}"] if rejection.path else []),
        f"{size} after a head of {rejection.head_bytes:,}",
    ]
    if rejection.skew_s is not None:
        parts.append(f"timestamp {rejection.skew_s:+,} s")
    if rejection.left_out:
        parts.append(f"{rejection.left_out:,} more like it before")
    reason = f" · {rejection.reason}" if rejection.reason else ""
    return [" · ".join(parts) + reason, f"    headers: {', '.join(rejection.headers)}"]
