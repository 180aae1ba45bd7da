"""How long the two looks at dead letters take, from the command's own function to its last line, imports aside.

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
from hookbus.worker.dlq.query import Filter

LIMIT: Final = 50
"""What the commands show by default."""


async def took_ms(fetch: Coroutine[Any, Any, None]) -> float:
    """Milliseconds of one look; what it prints is kept, and was something."""
    printed = io.StringIO()
    began = time.perf_counter()
    with contextlib.redirect_stdout(printed):
        await fetch
    took = (time.perf_counter() - began) * 1000
    assert printed.getvalue().count("\n") > 10, printed.getvalue()
    return took


async def main(group: str, rounds: int) -> None:
    """Both looks in turn; the first of each loads the libraries, and is left out."""
    some = Filter(groups=(group,), types=("response.*",))
    told: dict[str, list[float]] = {"list": [], "groups": []}
    for _ in range(rounds + 1):
        told["list"].append(await took_ms(dlq_look.show_list(None, some, LIMIT, False)))
        told["groups"].append(await took_ms(dlq_look.show_groups(None, Filter(), LIMIT, False)))
    print(json.dumps({"event": "measured"} | {name: figures[1:] for name, figures in told.items()}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
