from hookbus.shared import stream_report
from hookbus.shared.connection import connect
from hookbus.shared.keys import Keys
from hookbus.shared.stream_report import SeenStream, fetch

SHARD = Keys(0)


async def test_each_stream_is_reported_with_its_state(client):
    await client.execute_command("SADD", SHARD.types, "a", "b", "c", "gone")
    await client.execute_command("XADD", SHARD.stream("a"), "5000-1", "f", "v")
    await client.execute_command("SET", SHARD.stream("b"), "somebody else's")
    await client.execute_command("XADD", SHARD.stream("c"), stream_report.USED_UP, "f", "v")
    a, b, c, absent = await fetch(client, [SHARD])
    assert a == SeenStream(SHARD.stream("a"), last_ms=5000)
    assert (b.key, b.error.split()[0]) == (SHARD.stream("b"), "WRONGTYPE")
    assert (c.is_used_up, c.error) == (True, "")
    assert absent == SeenStream(SHARD.stream("gone"))


async def test_many_streams_are_queried_in_parts(client, monkeypatch):
    monkeypatch.setattr(stream_report, "TYPES", 2)
    await client.execute_command("SADD", SHARD.types, *"abcde")
    for i, name in enumerate("abcde", 1):
        await client.execute_command("XADD", SHARD.stream(name), f"{i}-1", "f", "v")
    assert [stream.last_ms for stream in await fetch(client, [SHARD])] == [1, 2, 3, 4, 5]


async def test_a_user_without_xinfo_still_detects_keys_of_another_type(own_server):
    with own_server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "bus", "on", ">pw", "~*", "+@all", "-xinfo")
        admin.sadd(SHARD.types, "a", "b")
        admin.set(SHARD.stream("b"), "somebody else's")
        admin.xadd(SHARD.stream("a"), {"f": "v"})
    client = connect(own_server.url.replace("://", "://bus:pw@"), "tests")
    a, b = await fetch(client, [SHARD])
    await client.aclose()
    assert (a, b.error.split()[0]) == (SeenStream(SHARD.stream("a")), "WRONGTYPE")
