"""What `park.lua` stores can be read again, whatever the bytes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.shared.entry import Entry, Failure, redelivery_fields
from hookbus.worker.inventory import parked

PACK = "redis.call('HSET', KEYS[1], 'x', cmsgpack.pack({unpack(ARGV)})) return redis.call('HGET', KEYS[1], 'x')"


@pytest.mark.parametrize("size", [0, 1, 31, 32, 255, 256, 65_535, 65_536, 200_000])
async def test_fields_of_every_size_and_any_bytes(client, size):
    entry = Entry("wh_1", "openai", 5, b"\xff\x00\xd9"[:size] * size, "00-t-01", 3, (Failure(2, 1, 2, "me", "Oh"),))
    fields = redelivery_fields(entry, 3, entry.history, snoozes=1, since_ms=4)
    packed = await client.execute_command("EVAL", PACK, 1, "test:parked", *fields)
    assert parked.decode(packed) == msgspec.structs.replace(entry, snoozes=1, since_ms=4)


@given(st.binary(max_size=40))
def test_anything_else_is_an_error_that_readers_expect(packed):
    try:
        parked.decode(packed)
    except (KeyError, ValueError):  # msgspec.DecodeError is a ValueError
        return
