from hookbus.shared import ingest_record
from hookbus.shared.ingest_record import IngestRecord
from hookbus.shared.keys import HANDOVER, HOME
from hookbus.shared.release import VERSION
from hookbus.worker.inventory import registry, running
from hookbus.worker.inventory.readers import register
from hookbus.worker.inventory.running import Running, RunningDelivery, SlotsInUse
from tests.worker.builders import GROUP, TYPE, join, store, take
from tests.worker.builders import register as register_consumer
from tests.worker.commands import objects, succeeded, worker
from tests.worker.dead_letters import create_groups


async def test_the_command_shows_ingest_live_and_dead_workers_and_the_handover(client, redis_url):
    await create_groups(client, GROUP)
    await join(client)
    await store(client, "wh_1", "wh_2", "wh_3")
    await take(client, "deadhost.7.0a0b0c0d", 2)
    await take(client, HANDOVER)
    now_ms = await registry.now_ms(client)
    await register_consumer(client, "alive.8.0a0b0c0d", info=register(now_ms - 7_200_000, [TYPE], "").decode())
    await register_consumer(client, "deadhost.7.0a0b0c0d", alive=False)
    shown = Running(
        now_ms,
        (SlotsInUse(GROUP, TYPE, 7, 10, 1),),
        tuple(RunningDelivery(GROUP, TYPE, TYPE, f"wh_{i}", now_ms - 65_000, 2) for i in range(7)),
    )
    await client.execute_command("SET", HOME.running("alive.8.0a0b0c0d"), running.encode(shown))
    record = IngestRecord(now_ms, now_ms - 60_000, "1.2.3", ("0.0.0.0:80",), ("openai",), "fsync", reason="draining")
    await client.execute_command("HSET", HOME.ingests, "in.9.00000000", ingest_record.encode(record))
    headline, ingest, about, *rest = map(str.rstrip, succeeded(redis_url, "processes").splitlines())
    assert headline == "ingest: 1 of 1 alive · workers: 1 of 2 alive · 3 in hand, 3 of dead ones"
    assert ingest == "ingest in pid 9  not ready: draining"
    assert about == "  up 1m · 1.2.3 · openai at 0.0.0.0:80, fsync"
    assert rest == [
        "worker alive pid 8", f"  up 2h · {VERSION} · {GROUP}", f"  7 of 10 slots: {GROUP} · {TYPE} · 1 overdue",
        *(f"  1m: {GROUP} · {TYPE} · wh_{i} · attempt 2" for i in range(5)), "  2 more: --json",
        "worker deadhost pid 7  dead", f"  release unknown · {GROUP} (2 in hand)",
        "left to others by a stop", f"  {GROUP} (1 in hand)",
    ]  # fmt: skip
    [found] = objects(redis_url, "processes", "--json")
    assert {each["name"]: each["is_alive"] for each in found["workers"]} == {
        "alive.8.0a0b0c0d": True, "deadhost.7.0a0b0c0d": False, HANDOVER: False,
    }  # fmt: skip
    assert found["ingests"][0]["reason"] == "draining"


def test_without_processes_it_says_so(redis_url):
    assert succeeded(redis_url, "processes") == "no processes have registered\n"


async def test_check_finds_processes_of_two_releases_as_its_own_user(client, redis_url):
    await create_groups(client, GROUP)
    await register_consumer(client, "me", info=register(1, [TYPE], "").decode())
    await register_consumer(client, "old", info='{"version":"0.0.1"}')
    url = redis_url.replace("unix://", "unix://worker:worker@")
    assert "processes of 2 releases: 0.0.1 (old)" in worker(url, "check").stdout.decode()
    assert await client.execute_command("ACL", "LOG") == []
