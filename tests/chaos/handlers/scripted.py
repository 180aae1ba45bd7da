"""Groups whose events script the handler; each step goes into the journal.

An event's `data.do` is a list of words, one for each attempt, the last one for all that follow: `ok`, `fail`,
`reject`, both also `… later`, after a second and a half, `exit` (ends the process), or a number of seconds to sleep
before `ok`.
"""

import asyncio
import os
from pathlib import Path

from hookbus import App, Delivery, Reject, Retry
from tests.chaos.harness.journal import BEGAN, HANDLED, VARIABLE, Writer

journal = Writer(Path(os.environ[VARIABLE]))
RETRY = Retry(attempts=5, base=0.2, factor=2, cap=2)

alpha = App("alpha")
beta = App("beta")


# No breaker: failures are scripted, and predict nothing about the next event.
@alpha.on("*", concurrency=100, timeout=20, retry=RETRY, breaker=None)
@beta.on("*", concurrency=100, timeout=20, retry=RETRY, breaker=None)
async def perform(event: dict, delivery: Delivery) -> None:
    record(BEGAN, delivery)
    words = event["data"].get("do") or ["ok"]
    await obey(words[min(delivery.attempt, len(words)) - 1])
    record(HANDLED, delivery)


def record(what: str, delivery: Delivery) -> None:
    """Append a step of a delivery to the journal."""
    journal.write(what, delivery.group, delivery.webhook_id, delivery.attempt)


async def obey(word: str | float) -> None:
    """Perform one word of an event."""
    if isinstance(word, str) and word.endswith(" later"):
        await asyncio.sleep(1.5)
        word = word.removesuffix(" later")
    match word:
        case "ok":
            await asyncio.sleep(0)
        case "fail":
            raise ValueError("scripted failure")
        case "reject":
            raise Reject("scripted rejection")
        case "exit":
            os._exit(1)
        case _:
            await asyncio.sleep(float(word))
