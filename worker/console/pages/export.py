"""`/export`: the dead letters of a filter as JSON Lines, as `hookbus-worker dlq export` writes them."""

from typing import Final

from ....shared.command import FailedError
from ...dlq import jsonl
from ...dlq.bulk import BATCH
from ...dlq.filter import Filter
from ...dlq.query import DeadLetters
from .. import chosen
from ..asked import Asked, Context
from ..view import Download, View
from . import dead

MAX_BYTES: Final = 16 * 1024 * 1024
"""What one answer holds in memory; the tool has no such bound."""
MAX_LETTERS: Final = 10_000
"""Half a second of this process."""
FILE: Final = "dead-letters.jsonl"


async def page(context: Context, asked: Asked) -> Download | View:
    """All of them, or none and the command that has no bounds: part of them would look like all. A link in a page of
    others leads to the page of the filter. Raises ForbiddenError."""
    asked.require_bodies()
    if not asked.is_asked_here:
        return await dead.show(context, asked, asked.query)
    try:
        return Download(await _lines(context, asked), FILE)
    except FailedError as error:
        return await dead.show(context, asked, asked.query, refused=error)


async def _lines(context: Context, asked: Asked) -> bytes:
    store = await DeadLetters.open(context.client, context.shards)
    criteria = await dead.asked_for(context, store, asked.query)
    if (count := await store.count(criteria)) > MAX_LETTERS:
        raise FailedError(f"{count:,} are more than the {MAX_LETTERS:,} of a download{_instead(asked, criteria)}")
    lines, size = [], 0
    async for batch in store.walk(criteria, BATCH):
        for each in batch:
            lines.append(jsonl.write_line(each.name, each.letter))
            size += len(lines[-1])
        if size > MAX_BYTES:
            raise FailedError(
                f"they are more than the {MAX_BYTES // 1024**2} MiB of a download{_instead(asked, criteria)}"
            )
    return b"".join(lines)


def _instead(asked: Asked, criteria: Filter) -> str:
    return f": {chosen.command('export', asked.query, criteria)} --file {FILE}"
