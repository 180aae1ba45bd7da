"""The annotation of a handler decides what it gets, and a body that does not fit is dead at its first attempt."""

from hookbus.shared.keys import Keys
from hookbus.worker.pipeline.dead_letter import decode
from tests.programs import Worker
from tests.wait import until
from tests.worker.builders import store

KEYS = Keys(0)
CLASSES = {
    "response.completed": "Of",
    "response.failed": "dict",
    "response.cancelled": "Model",
    "response.incomplete": "ResponseIncompleteWebhookEvent",
    "batch.expired": "Expired",
    "batch.cancelled": "Cancelled",
    "eval.run.failed": "EvalRunFailedWebhookEvent",
}


async def test_each_kind_of_annotation_gets_its_class_and_a_body_that_does_not_fit_is_dead_at_once(redis_url, client):
    for number, event_type in enumerate(CLASSES):
        await store(client, f"wh_fits_{number}", event_type=event_type, id=event_type)
        await store(client, f"wh_odd_{number}", event_type=event_type, id=["a secret"])
    with Worker(redis_url, "tests.end_to_end.annotated:annotated") as worker:

        async def have_ended() -> bool:
            handled = await client.execute_command("LLEN", "test:classes")
            return handled == await client.execute_command("HLEN", KEYS.dead_data("annotated")) == len(CLASSES)

        await until(have_ended)
        assert await worker.end() == 0
    given = [line.decode() for line in await client.execute_command("LRANGE", "test:classes", 0, -1)]
    assert sorted(given) == sorted(f"{name} {event_type}" for event_type, name in CLASSES.items())
    letters = [decode(raw) for raw in await client.execute_command("HVALS", KEYS.dead_data("annotated"))]
    assert {(letter.reason, letter.attempts) for letter in letters} == {("undecodable", 1)}
    assert all("`$.data.id`" in letter.message for letter in letters)
    assert "a secret" not in "\n".join((*worker.raw, *map(str, (letter.message for letter in letters))))
    assert not worker.tracebacks()
