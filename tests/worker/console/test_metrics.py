from tests.wait import until
from tests.worker.builders import GROUP
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import create_groups


async def test_the_console_tells_whether_it_sees_the_bus(own_server, redis_url):
    async with serving(own_server.url) as session:
        await until(lambda: _tells(session, "hookbus_console_redis_up 1.0"))
        _, page = await read(session, "/metrics")
        for name in ("console_look_seconds", "console_look_age_seconds", "console_unasked", "console_jobs"):
            assert f"\nhookbus_{name} " in page
        assert "hookbus_loop_lag_seconds_count" in page
        assert "process_resident_memory_bytes" in page
        own_server.stop()
        await read(session, "/")
        await until(lambda: _tells(session, "hookbus_console_redis_up 0.0"))
        own_server.start()
        await read(session, "/")
        await until(lambda: _tells(session, "hookbus_console_redis_up 1.0"))


async def test_a_part_that_redis_refuses_is_counted(client, redis_url):
    await create_groups(client, GROUP)
    await client.execute_command("SET", "hookbus:{0}:audit", "of another type")
    async with serving(redis_url) as session:
        await until(lambda: _tells(session, "hookbus_console_unasked 1.0"))


async def _tells(session, line):
    return line in (await read(session, "/metrics"))[1]
