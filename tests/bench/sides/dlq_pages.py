"""Times two commands for dead letters, from the command's own function to its last line, without imports.

python -m tests.bench.sides.dlq_pages GROUP ROUNDS, with HOOKBUS_REDIS_URL
"""

import asyncio
import contextlib
import io
import json
import sys
import time
from collections.abc import Coroutine
from typing import Any, Final

from hookbus.worker.cli import dlq_look
from hookbus.worker.dlq.filter import Filter

LIMIT: Final = 50
"""The default limit of the commands."""


async def took_ms(fetch: Coroutine[Any, Any, None]) -> float:
    """Milliseconds of one command; checks that it printed more than ten lines."""
    printed = io.StringIO()
    began = time.perf_counter()
    with contextlib.redirect_stdout(printed):
        await fetch
    took = (time.perf_counter() - began) * 1000
    assert printed.getvalue().count("\n") > 10, printed.getvalue()
    return took


async def main(group: str, rounds: int) -> None:
    """Both commands in turn; the first run of each loads the libraries and is left out."""
    some = Filter(groups=(group,), types=("response.*",))
    figures: dict[str, list[float]] = {"list": [], "groups": []}
    for _ in range(rounds + 1):
        figures["list"].append(await took_ms(dlq_look.show_list(None, some, LIMIT, "", False)))
        figures["groups"].append(await took_ms(dlq_look.show_groups(None, Filter(), LIMIT, False)))
    print(json.dumps({"event": "measured"} | {name: values[1:] for name, values in figures.items()}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
