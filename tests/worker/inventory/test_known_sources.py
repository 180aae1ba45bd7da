from hookbus.shared import ingest_record
from hookbus.shared.ingest_record import IngestRecord
from hookbus.shared.keys import HOME
from hookbus.worker.inventory import known_sources

KNOWN = frozenset({"openai", "partner"})


async def registered(client, **processes: tuple[str, ...]) -> None:
    for name, sources in processes.items():
        record = ingest_record.encode(IngestRecord(1, 1, sources=sources))
        await client.execute_command("HSET", HOME.ingests, name, record)


async def test_the_sources_are_those_of_all_ingest_processes(client):
    assert await known_sources.fetch(client) == frozenset()
    await registered(client, i1=("openai",), i2=("openai", "partner"))
    await client.execute_command("HSET", HOME.ingests, "another", "x")
    assert await known_sources.fetch(client) == KNOWN


def test_an_unknown_source_is_named_with_its_patterns():
    taken = [("batch.*", ("opnai",)), ("*", ("opnai", "openai")), ("response.*", ())]
    unknown = known_sources.unknown(taken, KNOWN)
    assert unknown == {"opnai": ["*", "batch.*"]}
    assert known_sources.problems(unknown, KNOWN) == [
        "takes events of source 'opnai' (*, batch.*), which is none of ingest's: openai, partner; did you mean openai?"
    ]


def test_while_no_source_is_known_none_is_unknown():
    assert known_sources.unknown([("*", ("opnai",))], frozenset()) == {}
