import pytest

from hookbus.shared.memory import share_used


async def test_without_a_limit_the_used_share_is_0(client):
    assert await share_used(client) == 0


@pytest.mark.parametrize("share", [0.25, 1.5])
async def test_the_used_share_is_used_memory_divided_by_the_limit(client, share):
    used = await _used(client)
    await client.execute_command("CONFIG", "SET", "maxmemory", int(used / share))
    assert await share_used(client) == pytest.approx(share, rel=0.1)


async def _used(client) -> int:
    info = (await client.execute_command("INFO", "memory")).decode()
    return int(info.partition("used_memory:")[2].split()[0])
