"""Groups that do what each event tells them, and note in the journal what they did.

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


# No breaker: what fails here does so because its event says so, and tells nothing about the next one.
@alpha.on("*", concurrency=100, timeout=20, retry=RETRY, breaker=None)
@beta.on("*", concurrency=100, timeout=20, retry=RETRY, breaker=None)
async def perform(event: dict, delivery: Delivery) -> None:
    note(BEGAN, delivery)
    words = event["data"].get("do") or ["ok"]
    await obey(words[min(delivery.attempt, len(words)) - 1])
    note(HANDLED, delivery)


def note(what: str, delivery: Delivery) -> None:
    """Write down what happens with a delivery."""
    journal.note(what, delivery.group, delivery.webhook_id, delivery.attempt)


async def obey(word: str | float) -> None:
    """Do what an event says."""
    if isinstance(word, str) and word.endswith(" later"):
        await asyncio.sleep(1.5)
        word = word.removesuffix(" later")
    match word:
        case "ok":
            await asyncio.sleep(0)
        case "fail":
            raise ValueError("told to fail")
        case "reject":
            raise Reject("told to reject")
        case "exit":
            os._exit(1)
        case _:
            await asyncio.sleep(float(word))
