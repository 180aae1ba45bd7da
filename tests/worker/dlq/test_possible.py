import pytest

from hookbus.shared.command import FailedError
from hookbus.shared.keys import Keys
from hookbus.worker.dlq import possible
from tests.worker.dead_letters import create_groups, letter, opened, store_letters, subscribe

KEYS = Keys(0)


async def require(client, *types: str) -> None:
    await possible.require(client, await opened(client), types)


async def test_types_that_are_documented_stored_subscribed_to_or_dead_are_possible(client):
    await client.execute_command("SADD", KEYS.types, "shop.stored")
    await subscribe(client, "shop.subscribed", "crm.*")
    await store_letters(client, letter("wh_1", type="shop.dead"))
    await require(client)
    await require(client, "response.completed", "batch.*", "*", "untyped", "shop.*")
    await require(client, "shop.stored", "shop.subscribed", "shop.dead")


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("response.failedd", "; did you mean response.failed?"),
        ("resp0nse.*", r"; did you mean response.\*?"),
        ("batch", r"; did you mean batch.\*?"),
        ("made.up", ""),
    ],
)
async def test_a_type_that_matches_nothing_is_refused_with_the_nearest(client, given, hint):
    await create_groups(client, "billing")
    with pytest.raises(FailedError) as failed:
        await require(client, "batch.*", given)
    assert str(failed.value) == f"{given} matches no event type that is known here{hint.replace(chr(92), '')}"
