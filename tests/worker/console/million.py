"""Small dead letters of one group, a thousand a command: a million take some 15 s."""

from redis.asyncio import Redis

from hookbus.shared.pipelined import execute_all
from hookbus.worker.pipeline import dead_letter
from tests.worker.builders import GROUP, KEYS
from tests.worker.dead_letters import DEAD_MS, letter

A_COMMAND = 1000
TYPES = ("response.completed", "response.failed", "batch.completed", "batch.failed")


def name_of(number: int) -> str:
    return f"wh_{number:07}"


async def store(client: Redis, count: int, fingerprints: int) -> None:
    """Letter `number` died `number` milliseconds after the first; its cause is that of `number % fingerprints`."""
    causes = [
        letter(
            error_class=f"Error{cause}",
            type=TYPES[cause % len(TYPES)],
            frame=f"handlers.py:{cause}",
            traceback="",
            history=(),
            body=b"{}",
            traceparent="",
        )
        for cause in range(fingerprints)
    ]
    kinds = [text for each in causes for text in (each.fingerprint, dead_letter.encode(each.kind))]
    await client.execute_command("HSET", KEYS.dead_fingerprints(GROUP), *kinds)
    for cause, sample in enumerate(causes):
        numbers = range(cause, count, fingerprints)
        for i in range(0, len(numbers), A_COMMAND):
            await execute_all(client, list(_commands(sample, numbers[i : i + A_COMMAND])))


def _commands(sample: dead_letter.DeadLetterRecord, numbers: range):
    names = [name_of(number) for number in numbers]
    places = [text for number, name in zip(numbers, names, strict=True) for text in (DEAD_MS + number, name)]
    record = dead_letter.encode(sample)
    yield "ZADD", KEYS.dead(GROUP), *places
    yield "ZADD", KEYS.dead_fingerprint(GROUP, sample.fingerprint), *places
    yield "HSET", KEYS.dead_data(GROUP), *(text for name in names for text in (name, record))
