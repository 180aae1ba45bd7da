from hookbus.shared.keys import HANDOVER, Keys
from hookbus.worker.inventory import living
from tests.worker.dead_letters import start_workers

KEYS = Keys(0)


async def test_a_group_lives_while_one_of_its_workers_does(client):
    await start_workers(client, "billing", "phone")
    await client.execute_command("HSET", KEYS.consumers("audit"), "audit.1", "{}", HANDOVER, "{}")
    await client.delete(KEYS.alive("phone.1"))
    assert await living.fetch(client, [KEYS, Keys(1)], ["billing", "phone", "audit", "unheard"]) == {"billing"}


async def test_a_quarantine_process_alone_is_no_worker(client):
    await client.execute_command("HSET", KEYS.consumers("billing"), "billing.1.quarantine", "{}")
    await client.execute_command("SET", KEYS.alive("billing.1.quarantine"), 1)
    assert await living.fetch(client, [KEYS], ["billing"]) == set()
