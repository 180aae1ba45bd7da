"""Dead letters by cause: those of one fingerprint in one group are one line, with the number of the last hour."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from ...shared.raw_connection import Command
from ..pipeline.dead_letter import DeadLetterRecord, Kind
from .cursor import Index

HOUR_MS: Final = 3_600_000


class Summary(msgspec.Struct, frozen=True):
    """The letters of one fingerprint in one group. Times in Unix ms; `last_hour` of them died in the last hour."""

    group: str
    fingerprint: str
    kind: Kind
    count: int
    first_ms: int
    last_ms: int
    last_hour: int = 0


class IndexOfKind(NamedTuple):
    """The sorted set of a fingerprint in one shard, and what its letters share."""

    at: Index
    fingerprint: str
    kind: Kind


def commands(index: Index, since_ms: int, until_ms: int, now_ms: int) -> Sequence[Command]:
    """What `merged` reads of one sorted set."""
    return (
        ("ZCOUNT", index.key, since_ms, until_ms),
        ("ZCOUNT", index.key, max(since_ms, now_ms - HOUR_MS), until_ms),
        ("ZRANGEBYSCORE", index.key, since_ms, until_ms, "WITHSCORES", "LIMIT", 0, 1),
        ("ZREVRANGEBYSCORE", index.key, until_ms, since_ms, "WITHSCORES", "LIMIT", 0, 1),
    )


def merged(kinds: Sequence[IndexOfKind], replies: Sequence[Any]) -> list[Summary]:
    """Summaries from the replies to `commands`, those of all shards in one; most letters first."""
    found = []
    for i, (index, fingerprint, kind) in enumerate(kinds):
        count, last_hour, first, last = replies[4 * i : 4 * i + 4]
        if first and last:
            times = int(float(first[1])), int(float(last[1]))
            found.append(Summary(index.group, fingerprint, kind, count, *times, last_hour))
    return _joined(found)


def of_letters(letters: Iterable[tuple[str, DeadLetterRecord]], now_ms: int) -> list[Summary]:
    """Summaries of letters in hand, each with its group."""
    return _joined(_of_letter(group, each, now_ms) for group, each in letters)


def _of_letter(group: str, letter: DeadLetterRecord, now_ms: int) -> Summary:
    at_ms = letter.dead_lettered_at_ms
    return Summary(group, letter.fingerprint, letter.kind, 1, at_ms, at_ms, int(at_ms >= now_ms - HOUR_MS))


def _joined(summaries: Iterable[Summary]) -> list[Summary]:
    """One summary per group and fingerprint; the sample is the newest one."""
    joined: dict[tuple[str, str], Summary] = {}
    for each in summaries:
        place = each.group, each.fingerprint
        joined[place] = _sum(joined[place], each) if place in joined else each
    return sorted(joined.values(), key=lambda summary: (-summary.count, summary.group, summary.fingerprint))


def _sum(left: Summary, right: Summary) -> Summary:
    newer = max(left, right, key=lambda summary: summary.last_ms)
    return replace(
        newer,
        count=left.count + right.count,
        first_ms=min(left.first_ms, right.first_ms),
        last_hour=left.last_hour + right.last_hour,
    )
