"""Remaining jobs are found in a Redis of any library."""

from tests.peers.remaining import remaining


async def test_names_are_found_in_keys_and_values_of_every_type(client):
    await client.execute_command("SET", "job:a-1", "x")
    await client.execute_command("HSET", "h", "f", '{"name": "b-1"}')
    await client.execute_command("RPUSH", "l", b"\xff\xfe c-1")
    await client.execute_command("SADD", "s", "d-1")
    await client.execute_command("ZADD", "z", 1, "e-1")
    await client.execute_command("XADD", "x", "*", "name", "f-1")
    names = [f"{letter}-1" for letter in "abcdef"]
    assert await remaining(client, [*names, "g-1"]) == set(names)


async def test_a_name_is_not_found_in_a_longer_one(client):
    await client.execute_command("SET", "k", "a-10 and a-12")
    assert await remaining(client, ["a-1", "a-10"]) == {"a-10"}


async def test_an_unread_or_pending_entry_remains_and_an_acked_one_does_not(client):
    await client.execute_command("XGROUP", "CREATE", "x", "g", "0", "MKSTREAM")
    entries = [await client.execute_command("XADD", "x", "*", "name", name) for name in ("acked", "pending", "unread")]
    await client.execute_command("XREADGROUP", "GROUP", "g", "c", "COUNT", "2", "STREAMS", "x", ">")
    await client.execute_command("XACK", "x", "g", entries[0])
    assert await remaining(client, ["acked", "pending", "unread"]) == {"pending", "unread"}
