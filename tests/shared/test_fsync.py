"""An `execute` that refuses WAITAOF stands for servers without it; the others are real."""

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from hookbus.shared.connection import connect, parse_info
from hookbus.shared.fsync import FIRST_REWRITE, NOT_ON_DISK, Fsync, is_on_disk
from tests.wait import until

WHOLE = {"aof_enabled": "1", "aof_rewrite_in_progress": "0", "aof_rewrite_scheduled": "0"}
OFF = WHOLE | {"aof_enabled": "0"}
REWRITING = WHOLE | {"aof_rewrite_in_progress": "1"}
FIRST = REWRITING | {"aof_base_size": "0", "aof_last_rewrite_time_sec": "-1"}
LATER = REWRITING | {"aof_base_size": "4711", "aof_last_rewrite_time_sec": "-1"}


def refusing(error: Exception):
    async def execute(*command):
        raise error

    return execute


WITHOUT_WAITAOF = refusing(ResponseError("unknown command 'WAITAOF', with args beginning with: '1' '0' '1000' "))


@pytest.fixture
async def execute(own_server):
    client = connect(own_server.url, "tests", connections=1)
    yield client.execute_command
    await client.aclose()


async def written(execute) -> bool | None:
    await execute("SET", "k", "v")
    return await is_on_disk(execute)


async def test_a_write_is_on_the_disk_of_a_server_that_fsyncs(execute):
    assert await written(execute) is True


async def test_a_write_is_not_on_the_disk_without_an_append_only_file(execute):
    await execute("CONFIG", "SET", "appendonly", "no")
    assert await written(execute) is False


async def test_g1_while_the_file_is_written_for_the_first_time_a_write_is_not_on_the_disk(execute):
    await execute("CONFIG", "SET", "appendonly", "no")
    await execute("SET", "a", "b")
    await execute("CONFIG", "SET", "rdb-key-save-delay", 3_000_000)  # µs per key: slows the rewrite down
    await execute("CONFIG", "SET", "appendonly", "yes")
    info = parse_info(await execute("INFO"))
    assert await written(execute) is False
    assert await Fsync().fault(execute, info) == NOT_ON_DISK
    assert await Fsync().fault(WITHOUT_WAITAOF, info) == FIRST_REWRITE

    async def is_over() -> bool:
        return parse_info(await execute("INFO", "persistence"))["aof_rewrite_in_progress"] == "0"

    await until(is_over)
    assert await written(execute) is True


@pytest.mark.parametrize(
    "error",
    [
        ResponseError("unknown command 'WAITAOF', with args beginning with: "),
        NoPermissionError("this user has no permissions to run the 'waitaof' command"),
    ],
)
async def test_without_waitaof_the_state_is_unknown(error):
    assert await is_on_disk(refusing(error)) is None
    fsync = Fsync()
    assert await fsync.fault(refusing(error), WHOLE) is None
    assert not fsync.is_observed


async def test_any_other_error_is_raised():
    with pytest.raises(ResponseError, match="BUSY"):
        await is_on_disk(refusing(ResponseError("BUSY running a script")))


@pytest.mark.parametrize(
    ("earlier", "info", "fault"),
    [
        ([], FIRST, FIRST_REWRITE),
        ([], LATER, None),
        ([], WHOLE, None),
        ([WHOLE], FIRST, None),  # the first rewrite of a new server: its file was always complete
        ([OFF], FIRST, FIRST_REWRITE),
        ([OFF], LATER, FIRST_REWRITE),
        ([WHOLE, OFF], LATER, FIRST_REWRITE),
        ([WHOLE, OFF], WHOLE | {"aof_rewrite_scheduled": "1"}, FIRST_REWRITE),
        ([OFF], WHOLE | {"aof_last_bgrewrite_status": "err"}, FIRST_REWRITE),
        ([OFF, WHOLE], LATER, None),
    ],
)
async def test_without_waitaof_the_first_rewrite_follows_from_earlier_checks(earlier, info, fault):
    fsync = Fsync()
    for observed in [*earlier, info]:
        fsync.observe(observed)
    assert await fsync.fault(WITHOUT_WAITAOF, info) == fault
