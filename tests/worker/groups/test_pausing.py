"""What a pause or a resume would do, and the command that does it; what they do is told in `test_paused.py`."""

import pytest

from hookbus.shared.command import FailedError
from hookbus.shared.keys import Keys
from hookbus.worker import audit
from hookbus.worker.audit import Action
from hookbus.worker.dlq.query import DeadLetters
from hookbus.worker.groups import pausing
from hookbus.worker.groups.pausing import Change
from hookbus.worker.inventory import pauses, suspensions
from hookbus.worker.inventory.suspensions import Opened
from tests.worker.builders import GROUP
from tests.worker.dead_letters import subscribe

SHARDS = [Keys(0)]
OPENED = Opened("f", "E", 1, 2)


@pytest.fixture
async def store(client):
    """A group of two patterns, one paused, one with an open breaker."""
    await subscribe(client, "batch.*", "response.completed")
    await pauses.write(client, SHARDS, GROUP, "batch.*", "new schema")
    field = suspensions.field(GROUP, "response.completed")
    await client.execute_command("HSET", suspensions.KEY, field, suspensions.encode(OPENED))
    return await DeadLetters.open(client, 1)


async def test_a_plan_of_a_pause_names_the_subscriptions_that_it_holds_and_writes_nothing(client, store):
    for pattern, held in (
        ("*", ["batch.*", "response.completed"]),
        ("batch.failed", ["batch.*"]),
        ("response.*", ["response.completed"]),
    ):
        assert (await pausing.plan(client, store, Change("pause", GROUP, pattern))).held == held
    assert list(await pauses.fetch(client, SHARDS, GROUP)) == ["batch.*"]
    assert await audit.fetch(client, 1) == []


async def test_a_plan_of_a_resume_names_what_ends(client, store):
    for pattern, paused, suspended in (
        ("*", ["batch.*"], {"response.completed": OPENED}),
        ("batch.*", ["batch.*"], {}),
        ("response.completed", [], {"response.completed": OPENED}),
    ):
        found = await pausing.plan(client, store, Change("resume", GROUP, pattern))
        assert (list(found.paused), found.suspended) == (paused, suspended), pattern
    assert await audit.fetch(client, 1) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (Change("pause", GROUP, "batch.*"), "batch.* was already paused; paused now: batch"),
        (Change("pause", GROUP, "video.failed"), "matches no type that billing receives"),
        (Change("resume", GROUP, "batch.failed"), "batch.failed was neither paused nor suspended; paused now: batch"),
        (Change("resume", "biling"), "did you mean billing"),
    ],
)
async def test_a_plan_of_what_would_change_nothing_is_refused(client, store, change, problem):
    with pytest.raises(FailedError, match=problem.replace("*", r"\*")):
        await pausing.plan(client, store, change)


async def test_the_record_tells_what_was_done_as_its_person_read_it(client, store):
    change = Change("resume", GROUP)
    done = await pausing.run(client, store, change, Action(verb="resume", who="ann", criteria=change.criteria), print)
    entry = await audit.find(client, done.record)
    assert entry is not None
    assert (entry.result, entry.told.splitlines(), entry.criteria) == ("done", done.sentences, change.criteria)
    assert done.sentences == [
        "billing: batch.* resumed within two seconds; paused now: nothing",
        "billing: breaker or hold of response.completed ended within two seconds",
    ]
    assert await audit.find(client, "1-1") is None


@pytest.mark.parametrize(
    ("change", "command"),
    [
        (Change("pause", GROUP), "hookbus-worker pause billing"),
        (
            Change("pause", GROUP, "batch.*", "it's INC-7"),
            "hookbus-worker pause billing 'batch.*' --why 'it'\"'\"'s INC-7'",
        ),
        (Change("resume", GROUP, "batch.failed"), "hookbus-worker resume billing batch.failed"),
    ],
)
def test_the_command_can_be_pasted_into_a_shell(change, command):
    assert change.command == command
