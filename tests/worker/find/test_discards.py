"""A discarded dead letter is never taken for a handled delivery: the audit names it, or else its group's count."""

import pytest

from hookbus.shared import scripts
from hookbus.shared.keys import HOME
from hookbus.worker import audit
from hookbus.worker.audit import Action, Progress
from hookbus.worker.dlq.filter import Filter
from hookbus.worker.dlq.moves import Moves
from hookbus.worker.find import discards
from hookbus.worker.find.life import Discarded, Doubt, Handled, Place, Subject
from tests.worker.builders import GROUP, KEYS, STREAM, TYPE, join, store, take
from tests.worker.dead_letters import letter, opened, store_letters, subscribe
from tests.worker.find.lives import NAME, an_entry, state

SUBJECT = Subject(KEYS, NAME, "openai", TYPE, an_entry(), Place(STREAM, "1-0"))
WHO = "anna@host"


async def discarded(client, moved: int | None = 1, verb: str = "dlq discard", **options) -> None:
    """Record a discard; one that moved None has no end."""
    action = Action(verb=verb, who=WHO, criteria=audit.options(**options), why="INC-7")
    begun = await audit.begin(client, action)
    if moved is not None:
        progress = Progress()
        progress.set(moved)
        await audit.end(client, action, begun, progress)


async def test_a_discarded_letter_is_counted_and_named(client):
    await subscribe(client, TYPE)
    await join(client)
    await store(client, NAME, "wh_2")
    for delivery in await take(client, "me"):
        await client.execute_command("XACK", STREAM, GROUP, delivery.entry_id)
    await store_letters(client, letter(NAME), letter("wh_2"))
    dead = await opened(client)
    await Moves(client, dead.shards).discard(await dead.find(Filter(names=(NAME,))))
    assert await client.execute_command("HGETALL", KEYS.discarded) == [GROUP.encode(), b"1"]
    assert await state(client) == Handled(doubt=Doubt(discarded=1))
    await discarded(client, id=NAME)
    found = await state(client)
    assert isinstance(found, Discarded)
    assert (found.by.who, found.by.why) == (WHO, "INC-7")
    await Moves(client, dead.shards).redrive(await dead.find(Filter(names=("wh_2",))))
    assert await client.execute_command("HGET", KEYS.discarded, GROUP) == b"1", "a redrive is no discard"


@pytest.mark.parametrize(("moved", "options", "groups", "certain"), [
    (1, {"id": NAME}, ("billing",), {"billing": True}),
    (1, {"id": f"{NAME}~7-0"}, ("billing",), {"billing": True}),
    (1, {"id": NAME}, ("billing", "mail"), {"billing": False, "mail": False}),
    (1, {"id": NAME, "group": "mail"}, ("billing", "mail"), {"mail": True}),
    (2, {"id": [NAME, "wh_2"]}, ("billing",), {"billing": False}),
    (None, {"id": NAME}, ("billing",), {"billing": False}),
    (0, {"id": NAME}, ("billing",), {}),
    (1, {"id": f"{NAME}0"}, ("billing",), {}),
    (9, {"group": "billing"}, ("billing",), {}),
    (1, {"id": NAME, "verb": "dlq redrive"}, ("billing",), {}),
    (1, {"id": NAME}, (), {}),
])  # fmt: skip
async def test_an_action_that_names_the_event_is_certain_where_it_can_have_moved_nothing_else(
    client, moved, options, groups, certain
):
    await discarded(client, moved, **options)
    found = await discards.fetch(client, SUBJECT, groups)
    assert {group: each.is_certain for group, (each,) in found.items()} == certain


async def test_the_whole_audit_is_searched_but_nothing_older_than_the_event(client):
    await discarded(client, id=NAME)
    for _ in range(3):
        call = scripts.Call(scripts.RECORD, (HOME.audit,), (audit.KEPT, b"not ours", ""))
        await scripts.run_all(client, [call] * 500)
    assert set(await discards.fetch(client, SUBJECT, [GROUP])) == {GROUP}
    later = Subject(KEYS, NAME, "openai", TYPE, an_entry(), Place(STREAM, "4000000000000-0"))
    assert await discards.fetch(client, later, [GROUP]) == {}


async def test_an_audit_that_redis_refuses_hides_nothing_else(client):
    await client.execute_command("SET", HOME.audit, "no stream")
    assert await discards.fetch(client, SUBJECT, [GROUP]) == {}
