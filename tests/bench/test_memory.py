"""The memory of keys is the memory that their deletion frees."""

from hookbus.shared.connection import connect
from tests.bench import memory


async def test_the_memory_of_keys_includes_values_freed_in_a_thread(own_server):
    client = connect(own_server.url, "tests", connections=1)
    members = [f"{number:032d}" for number in range(100_000)]
    for first in range(0, len(members), 10_000):
        await client.execute_command("SADD", "set:one", *members[first : first + 10_000])
    await client.execute_command("SET", "other", "x" * 100_000)
    found = await memory.bytes_of(client, await memory.keys_like(client, "set:*"))
    await client.aclose()
    # A member of 32 bytes takes those and some bytes of bookkeeping.
    assert 40 * len(members) < found < 100 * len(members)
