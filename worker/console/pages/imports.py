"""`POST /import`: puts dead letters of a file back, as `hookbus-worker dlq import` does, and says what came of it."""

from dataclasses import replace
from functools import partial
from typing import Any

from ....shared import output
from ....shared.command import FailedError
from ....shared.connection import FAULTS
from ....shared.fault import fault_of
from ... import audit
from ...audit import Progress
from ...dlq.bulk import Tally
from ...dlq.importing import Importing
from ...dlq.jsonl import LineError
from ...dlq.query import DeadLetters
from .. import unended
from ..asked import Asked, Context
from ..upload import Upload, UploadError
from ..view import View


async def page(context: Context, asked: Asked) -> View:
    """Reads the file while it comes; one at a time, since each may keep Redis busy for seconds."""
    upload, tally = asked.upload, Tally()
    assert upload is not None  # the app gives one to this path alone
    status, problem = 200, ""
    try:
        await _alone(context, asked, upload, tally)
    except LineError as error:
        status, problem = 409, str(error)
        await upload.drain()
    except UploadError as error:
        status, problem = error.status, str(error)
    except FailedError as error:
        status, problem = 409, str(error)
    except FAULTS as error:
        status, problem = 503, f"Redis: {fault_of(error).detail}"
    values: dict[str, Any] = {"tally": tally, "problem": problem, "file": upload.name}
    title = f"{output.things(tally.moved, 'dead letter')} imported"
    return View("imported.html", {**values, "heading": title}, title, "/dead", status, is_live=False)


async def _alone(context: Context, asked: Asked, upload: Upload, tally: Tally) -> None:
    if context.importing.locked():
        raise FailedError("another import runs: try again when it has ended")
    async with context.importing:
        await upload.open()
        await _recorded(context, asked, upload, tally)


async def _recorded(context: Context, asked: Asked, upload: Upload, tally: Tally) -> None:
    action = replace(asked, form=upload.fields).action("dlq import", audit.options(file=upload.name))
    store = await DeadLetters.open(context.client, context.shards)
    async with audit.recorded(context.client, action, partial(unended.warn, action.verb)) as progress:
        await _import(Importing(context.client, store, tally), upload, tally, progress)


async def _import(importing: Importing, upload: Upload, tally: Tally, progress: Progress) -> None:
    try:
        try:
            async for line in upload.lines():
                if importing.add(line):
                    await importing.flush()
        except (LineError, UploadError):
            await importing.flush()
            raise
        await importing.flush()
    finally:
        progress.set(tally.moved, tally.gone)
