import asyncio

from redis.exceptions import ConnectionError as RedisConnectionError

from hookbus.shared.keys import Keys
from hookbus.worker.duties.heartbeat import Liveness
from tests.wait import until
from tests.worker.builders import Handler
from tests.worker.running import Running, app_of


async def test_a_liveness_that_began_in_some_shards_ends_with_a_stop(client, redis_url, monkeypatch):
    renew_in, key = Liveness._renew_in, Keys(0).alive("x")[: -len("x")]

    def fails_in_the_second(self, keys, *, is_known):
        if keys.shard == 1:
            raise RedisConnectionError("gone")
        return renew_in(self, keys, is_known=is_known)

    async def alive() -> list[bytes]:
        return await client.execute_command("KEYS", f"{key}*")

    monkeypatch.setattr(Liveness, "_renew_in", fails_in_the_second)
    running = Running(redis_url, app_of(Handler()), shards=2)
    await until(alive)
    running.stopping.set()
    await asyncio.wait_for(running.task, 20)
    assert await alive() == [], "nobody renews it, and it would be a consumer that died"
