import pytest
from redis.exceptions import ResponseError

from hookbus.shared.connection import refusal_code
from hookbus.shared.pipelined import MAX_COMMANDS, execute_all


async def test_replies_come_in_order_over_several_round_trips(client):
    count = 2 * MAX_COMMANDS + 1
    assert await execute_all(client, (("ECHO", number) for number in range(count))) == [b"%d" % i for i in range(count)]
    assert await execute_all(client, []) == []


async def test_each_error_is_in_the_place_of_its_reply(client):
    commands = [("SET", "test:a", 1), ("LPUSH", "test:a", 2), ("NO_SUCH_COMMAND",), ("GET", "test:a")]
    stored, wrong_type, unknown, value = await execute_all(client, commands, raises=False)
    assert (stored, value) == (b"OK", b"1")
    assert refusal_code(wrong_type) == "WRONGTYPE"
    assert isinstance(unknown, ResponseError)


async def test_the_first_refusal_is_raised_as_redis_wrote_it_after_all_ran(client):
    with pytest.raises(ResponseError, match=r"^WRONGTYPE ") as caught:
        await execute_all(
            client, [("SET", "test:a", 1), ("LPUSH", "test:a", 2), ("HGETALL", "test:a"), ("INCR", "test:a")]
        )
    assert refusal_code(caught.value) == "WRONGTYPE"
    assert await client.execute_command("GET", "test:a") == b"2"
