import asyncio
from collections.abc import Sequence

from redis.exceptions import ResponseError

from hookbus.shared.connection import connect
from hookbus.shared.keys import listed_as
from hookbus.worker.duties.membership import Discovery
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE, a_context, commandstats, store
from tests.worker.lookouts import a_lookout, ignore, looked


async def test_a_new_type_is_passed_on_once(client):
    found: list[str] = []

    async def take_note(names: Sequence[str]) -> None:
        found.extend(names)

    stopping = asyncio.Event()
    lookout = a_lookout(client, stopping)
    discovery = asyncio.gather(
        Discovery(a_context(client, stopping=stopping), lookout, take_note, ignore).run(), lookout.run()
    )
    await store(client, "wh_1")
    await until(lambda: found == [TYPE])
    await store(client, "wh_2")
    await store(client, "wh_3", event_type="a.b")
    await until(lambda: found == [TYPE, "a.b"])
    stopping.set()
    lookout.hurry()
    async with asyncio.timeout(1):
        await discovery
    assert (await commandstats(client))["smembers"] <= 2 * 4


async def test_a_type_that_could_not_be_joined_yet_is_tried_again(client, redis_url):
    tries: list[str] = []
    stopping = asyncio.Event()

    async def fails_once(names: Sequence[str]) -> None:
        tries.extend(names)
        if len(tries) == 1:
            raise ConnectionError("away")

    await store(client, "wh_1")
    other = connect(redis_url, "tests:other")
    lookout = a_lookout(other, stopping)
    discovery = asyncio.gather(
        Discovery(a_context(other, stopping=stopping), lookout, fails_once, ignore).run(), lookout.run()
    )
    await until(lambda: tries == [TYPE, TYPE])
    stopping.set()
    await discovery
    await other.aclose()


async def test_redeliveries_are_passed_on_while_a_type_cannot_be_joined(client):
    found: list[str] = []
    stopping = asyncio.Event()

    async def fails(names: Sequence[str]) -> None:
        raise ResponseError("NOPERM")

    async def take_note(names: Sequence[str]) -> None:
        found.extend(names)
        stopping.set()

    await store(client, "wh_1")
    await client.execute_command("SADD", KEYS.redeliveries, listed_as(TYPE, GROUP))
    async with asyncio.timeout(5):
        await Discovery(a_context(client, stopping=stopping), await looked(client, stopping), fails, take_note).run()
    assert found == [TYPE]
