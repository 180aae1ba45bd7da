"""The life of hookbus-ingest: connect, listen, serve, drain, close.

SIGTERM: readiness turns 503 and requests are still served for the drain delay, since load balancers learn of it
later; then the port closes, what was received is stored and answered, and the process ends. Nothing that was
accepted is refused, and nobody who had connected is turned away (port.py).
"""

import asyncio
from collections.abc import Sequence

from aiohttp import web
from redis.asyncio import Redis

from ingest import descriptors, metrics
from ingest.body import Bodies
from ingest.enqueue import Queue
from ingest.fitness import Fitness
from ingest.port import close_port, open_port
from ingest.receive import Endpoint, Receiver
from ingest.settings import DEFAULT_OPS_LISTEN, IngestSettings
from ingest.signature import Verifier
from shared import health, log
from shared.command import Stopping
from shared.connection import connect, redacted
from shared.http_server import Limits, Server
from shared.settings import ConfigError

FINISH_S = 10.0
"""How long requests in hand may take once the port is closed: two Redis timeouts."""


async def serve(settings: IngestSettings, stopping: Stopping) -> None:
    """Run until `stopping` is set and what is in hand is done. Raises ConfigError."""
    logger = log.get("ingest")
    fitness = Fitness(settings.durability, settings.shards, settings.unsafe_redis)
    probe = connect(settings.redis_url, "hookbus-ingest:fitness", connections=1)
    clients = [_writer(settings, fitness, shard) for shard in range(settings.shards)]
    queues = [_queue(settings, fitness, shard, client) for shard, client in enumerate(clients)]
    receiver = _receiver(settings, queues)
    tick = health.LoopTick(asyncio.get_running_loop())
    if settings.unsafe_redis:
        logger.warning("unsafe_redis", effect="200s are given even if Redis may forget. Never use this in production")
    try:
        async with asyncio.TaskGroup() as duties:
            tasks = [duties.create_task(queue.run()) for queue in queues]
            tasks.append(duties.create_task(fitness.run(probe)))
            await _listen_and_drain(settings, receiver, fitness, stopping)
            for task in tasks:
                task.cancel()
    except* ConfigError as group:
        # The first one says enough, and the command line knows what to do with it.
        raise next(error for error in group.exceptions if isinstance(error, ConfigError)) from None
    finally:
        tick.stop()
        for client in (probe, *clients):
            await client.aclose()
    logger.info("stopped")


def _receiver(settings: IngestSettings, queues: Sequence[Queue]) -> Receiver:
    sources = settings.sources.items()
    return Receiver(
        {
            source.path: Endpoint(name, Verifier(source.secrets, source.scheme, settings.tolerance_s))
            for name, source in sources
        },
        queues,
        Bodies(settings.max_body_bytes, settings.max_inflight_bytes, settings.body_timeout_s),
    )


def _limits(settings: IngestSettings) -> Limits:
    connections = descriptors.room_for(settings.max_connections)
    if connections < settings.max_connections:
        log.get("ingest").warning("few_descriptors", connections=connections, wanted=settings.max_connections)
    return Limits(connections, settings.header_timeout_s)


def _writer(settings: IngestSettings, fitness: Fitness, shard: int) -> Redis:
    return connect(
        settings.redis_url,
        f"hookbus-ingest:{shard}",
        reply_timeout_s=settings.enqueue_timeout_s,
        connections=1,
        greet=fitness.greet,
    )


def _queue(settings: IngestSettings, fitness: Fitness, shard: int, client: Redis) -> Queue:
    return Queue(
        client,
        shard,
        fitness,
        days=settings.dedupe_days,
        batch_size=settings.batch_size,
        max_waiting=settings.max_waiting,
    )


async def _listen_and_drain(settings: IngestSettings, receiver: Receiver, fitness: Fitness, stopping: Stopping) -> None:
    http = Server(receiver.handle, _limits(settings), lambda code: receiver.count("", code))
    metrics.CONNECTIONS.set_function(lambda: len(http.connections))
    runner = web.ServerRunner(http, shutdown_timeout=FINISH_S)
    await runner.setup()

    def readiness() -> str:
        if stopping.is_set():
            return "draining"
        if not fitness.was_fit.is_set():
            return fitness.fault.detail if fitness.fault else "starting"
        return health.READY if runner.sites else "starting"

    ops = await health.serve(settings.ops_listen, settings.ops_listen == DEFAULT_OPS_LISTEN, readiness)
    try:
        await _serve_and_drain(settings, http, runner, receiver, fitness, stopping, f"http://{_address(ops)}")
    finally:
        await runner.cleanup()  # requests in hand are answered before health and metrics go
        await ops.cleanup()


async def _serve_and_drain(
    settings: IngestSettings,
    http: Server,
    runner: web.ServerRunner,
    receiver: Receiver,
    fitness: Fitness,
    stopping: Stopping,
    ops: str,
) -> None:
    logger = log.get("ingest")
    site = await open_port(runner, settings.listen, fitness)
    logger.info(
        "listening",
        urls=[f"http://{_address(runner)}{source.path}" for source in settings.sources.values()],
        ops=ops,
        redis=redacted(settings.redis_url),
        durability=settings.durability,
    )
    await stopping.wait()
    delay_s = 0.0 if stopping.is_interactive else settings.drain_delay_s
    logger.info("draining", delay_s=delay_s)
    receiver.is_leaving = True
    await asyncio.sleep(delay_s)
    await close_port(site, http)
    receiver.close()


def _address(runner: web.BaseRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"{host}:{port}"
