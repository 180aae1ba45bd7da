"""The data of layout 1 hold what a migration has to keep."""

from tests import layout_1

SHARDS = ("hookbus:{0}:", "hookbus:{1}:")


async def test_both_groups_left_something_of_each_kind(client):
    await layout_1.load(client)
    names = {name.decode() for name in await client.execute_command("KEYS", "*")}
    for kind in ("delayed:billing", "dead:billing", "paused:billing", "breakers:billing", "deaths:billing"):
        assert any(shard + kind in names for shard in SHARDS), kind
    assert await client.execute_command("HGETALL", "hookbus:meta") == [b"layout", b"1", b"shards", b"2"]
    pending = await client.execute_command("XPENDING", "hookbus:{0}:stream:batch.completed", "billing")
    assert [b"handover", b"1"] in pending[3]
    alone = await client.execute_command("XPENDING", "hookbus:{0}:stream:response.completed", "billing", "-", "+", 9)
    assert [times for _, _, _, times in alone] == [4]
    redelivered = [f"{shard}stream:response.completed:billing" for shard in SHARDS]
    assert sum([await client.execute_command("XLEN", stream) for stream in redelivered]) == 2
    await client.execute_command("FLUSHALL")


async def test_nothing_in_them_is_cut_or_misread(client):
    await layout_1.load(client)
    for group, letters in (("billing", 3), ("audit", 4)):
        counts = [await client.execute_command("ZCARD", f"{shard}dead:{group}") for shard in SHARDS]
        fields = [await client.execute_command("HLEN", f"{shard}dead:{group}:data") for shard in SHARDS]
        assert sum(counts) == sum(fields) == letters
    await client.execute_command("FLUSHALL")
