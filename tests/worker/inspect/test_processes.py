"""Who is there, and what each holds."""

from hookbus.shared import ingest_record
from hookbus.shared.ingest_record import IngestRecord
from hookbus.shared.keys import HANDOVER, HOME, Keys
from hookbus.shared.process_name import new_name
from hookbus.shared.release import VERSION
from hookbus.worker.inspect import processes
from hookbus.worker.inspect.processes import Processes, WorkerProcess
from hookbus.worker.inventory import registry
from hookbus.worker.inventory.readers import Options, register
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE, Handler, join, redeliver, store, take
from tests.worker.builders import register as register_consumer
from tests.worker.dead_letters import create_groups
from tests.worker.running import app_of, running

DEAD = "host.example.7.0a0b0c0d"
OPTIONS = Options(1, 2, None, 4, 5, 6, 7, 8)


async def fetched(client) -> Processes:
    return await processes.fetch(client, 1)


async def by_name(client) -> dict[str, WorkerProcess]:
    return {each.name: each for each in (await fetched(client)).workers}


async def test_a_running_worker_is_shown_with_release_options_and_what_it_holds(client, redis_url):
    handler = Handler()
    async with running(redis_url, app_of(handler, concurrency=3, timeout=7)) as worker:
        await store(client, "wh_1", "wh_2")
        await until(lambda: len(handler.began) == 2)
        [found] = (await fetched(client)).workers
        assert found.name == worker.consumer
        assert (found.version, found.is_alive, found.is_quarantine, found.in_hand) == (VERSION, True, False, 2)
        assert found.pid > 0
        assert 0 <= (await fetched(client)).now_ms - found.since_ms < 60_000
        options = found.groups[GROUP].subscriptions[TYPE]
        assert options is not None
        assert (options.concurrency, options.timeout_s, options.attempts) == (3, 7, 20)
        handler.go()
    assert (await fetched(client)).workers == []


async def test_a_dead_consumer_is_shown_with_what_it_holds_of_both_kinds_of_streams(client):
    await create_groups(client, GROUP)
    await join(client)
    await store(client, "wh_1", "wh_2")
    await redeliver(client, "wh_3")
    await take(client, DEAD)
    await take(client, HANDOVER, own=True)
    await register_consumer(client, DEAD, alive=False, info=register(5, [TYPE], "", options=[OPTIONS]).decode())
    await register_consumer(client, "alive.quarantine", info="{}")
    found = await by_name(client)
    assert set(found) == {DEAD, HANDOVER, "alive.quarantine"}
    dead, handover, quarantine = found[DEAD], found[HANDOVER], found["alive.quarantine"]
    assert (dead.host, dead.pid, dead.since_ms, dead.is_alive, dead.in_hand) == ("host.example", 7, 5, False, 2)
    assert dead.groups[GROUP].subscriptions == {TYPE: OPTIONS}
    assert (handover.host, handover.in_hand, handover.is_alive) == ("", 1, False)
    assert (quarantine.is_quarantine, quarantine.is_alive, quarantine.version) == (True, True, "")


async def test_an_ingest_is_alive_until_its_record_is_older_than_three_intervals(client):
    await create_groups(client, GROUP)
    now_ms = await registry.now_ms(client)
    for name, age_ms in (("a.1.00000000", 29_000), ("b.2.00000000", 31_000)):
        record = IngestRecord(now_ms - age_ms, 1, "9.9", sources=("openai",), answers={"accepted": 2})
        await client.execute_command("HSET", HOME.ingests, name, ingest_record.encode(record))
    first, second = (await fetched(client)).ingests
    assert (first.host, first.pid, first.is_alive, first.version, first.answers) == (
        "a",
        1,
        True,
        "9.9",
        {"accepted": 2},
    )
    assert (second.host, second.is_alive) == ("b", False)


async def test_processes_of_all_shards_and_groups_are_found_in_the_same_round_trips(client, monkeypatch):
    trips = []
    execute_all = processes.execute_all

    async def counted(*args, **options):
        trips.append(args)
        return await execute_all(*args, **options)

    monkeypatch.setattr(processes, "execute_all", counted)
    names = [new_name() for _ in range(20)]
    await create_groups(client, *(f"g{i}" for i in range(20)), shards=3)
    for i, name in enumerate(names):
        await client.execute_command("HSET", Keys(i % 3).consumers(f"g{i}"), name, register(1, [TYPE], ""))
        await client.execute_command("SET", Keys(i % 3).alive(name), 1)
        await client.execute_command("HSET", Keys(2).consumers(f"g{(i + 1) % 20}"), name, register(1, [TYPE], ""))
    found = await by_name(client)
    assert sorted(found) == sorted(names)
    assert all(each.is_alive and len(each.groups) == 2 for each in found.values())
    assert len(trips) == 2


async def test_an_unusable_key_is_named_and_hides_no_other_process(client):
    await create_groups(client, GROUP, "other")
    await client.execute_command("SET", HOME.ingests, "x")
    await client.execute_command("SET", KEYS.consumers("other"), "x")
    await register_consumer(client, "me")
    found = await fetched(client)
    assert set(found.unusable) == {HOME.ingests, KEYS.consumers("other")}
    assert [each.name for each in found.workers] == ["me"]


async def test_an_unused_redis_has_no_processes(client):
    found = await fetched(client)
    assert (found.workers, found.ingests, found.unusable) == ([], [], {})
