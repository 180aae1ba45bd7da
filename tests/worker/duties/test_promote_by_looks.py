"""When a promoter runs, by what it parked itself and by the looks at the shard."""

import asyncio

from hookbus.shared.clock import now_ms
from hookbus.worker.duties.promote import Promoter
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, a_context, commandstats
from tests.worker.duties.test_promote import park, promoted
from tests.worker.lookouts import a_lookout, ignore


async def test_a_look_that_tells_of_a_due_delivery_that_is_gone_costs_one_round(client):
    await client.execute_command("ZADD", KEYS.due, 1, GROUP)
    lookout, stopping = a_lookout(client), asyncio.Event()
    due = Promoter(a_context(client, stopping=stopping), lookout, ignore)
    await lookout.look()
    await client.execute_command("CONFIG", "RESETSTAT")
    running = asyncio.create_task(due.run())
    await asyncio.sleep(0.3)
    stopping.set()
    due._wake.set()
    await running
    assert (await commandstats(client))["zrange"] <= 3


async def test_a_delivery_parked_here_is_promoted_in_time_although_a_look_has_not_seen_it(client):
    lookout, stopping = a_lookout(client), asyncio.Event()
    here = Promoter(a_context(client, stopping=stopping), lookout, ignore)
    running = asyncio.create_task(here.run())
    await asyncio.sleep(0.1)
    await lookout.look()
    await park(client, 0.2)
    here.expect(now_ms() + 200)
    await until(lambda: promoted(client), timeout_s=5)
    stopping.set()
    here._wake.set()
    await running
