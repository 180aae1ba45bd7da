"""From bytes to a typed event, beside `webhooks.unwrap` of OpenAI's SDK after its signature check.

Both decode every example of OpenAI whose type the SDK supports too.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from openai import BaseModel
from openai._models import construct_type
from openai.types.webhooks.unwrap_webhook_event import UnwrapWebhookEvent

from hookbus.shared import decoding
from hookbus.shared.samples import samples
from tests.bench import requests
from tests.bench.figures import Answer, at_least, compared
from tests.bench.question import question
from tests.bench.stage import Stage

ROUND_S: Final = 1.0


def unwrap(body: bytes) -> Any:
    """The lines of the SDK's `unwrap` after its signature check."""
    return construct_type(type_=UnwrapWebhookEvent, value=json.loads(body))


def typed(body: bytes) -> Any:
    """What ingest and a worker do together: read the type, decode the event of that type."""
    return decoding.DECODERS[decoding.read_head(body).type](body)


@question("bytes to a typed event, beside OpenAI's SDK", decode_vs_sdk=at_least(20))
async def decode(stage: Stage) -> Sequence[Answer]:
    bodies = [body for name in samples() if isinstance(unwrap(body := requests.body(name)), BaseModel)]

    async def hookbus() -> float:
        return rate(typed, bodies)

    async def sdk() -> float:
        return rate(unwrap, bodies)

    ours, other = await stage.rounds_of(hookbus=hookbus, sdk=sdk)
    return [compared("decode_vs_sdk", ours, other, "events/s")]


def rate(decoder: Callable[[bytes], Any], bodies: Sequence[bytes]) -> float:
    """Events a second."""
    count, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < ROUND_S:
        for body in bodies:
            decoder(body)
        count += len(bodies)
    return count / took
