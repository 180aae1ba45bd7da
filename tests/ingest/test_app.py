"""The life of the program: start, port, drain, stop. test_receive covers its responses."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from hookbus.ingest import app
from hookbus.shared.command import FailedError, Stopping
from hookbus.shared.listen import Listen
from hookbus.shared.settings import ConfigError
from tests.ingest.serving import PATH, SECRET, entries, hang_up, head, serving, settings, signed
from tests.programs import free_port
from tests.wait import until


def environ(redis_url: str, port: int) -> dict[str, str]:
    return {
        "HOOKBUS_REDIS_URL": redis_url,
        "HOOKBUS_INGEST_LISTEN": f"127.0.0.1:{port}",
        "HOOKBUS_INGEST_OPS_LISTEN": "127.0.0.1:0",
        "HOOKBUS_INGEST_DURABILITY": "memory",
        "HOOKBUS_INGEST_DRAIN_DELAY_S": "0",
        "OPENAI_WEBHOOK_SECRET": SECRET,
    }


Started = tuple[asyncio.subprocess.Process, str, list[dict]]


@pytest.fixture
async def start(redis_url) -> AsyncIterator[Callable[..., Awaitable[Started]]]:
    """Starts `hookbus-ingest serve`; returns process, base URL and first lines once it listens and Redis is healthy."""
    processes = []

    async def start(port: int = 0) -> Started:
        return await started(redis_url, port, processes)

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def started(redis_url: str, port: int, processes: list[asyncio.subprocess.Process]) -> Started:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hookbus.ingest",
        "serve",
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | environ(redis_url, port),
    )
    processes.append(process)
    lines = []
    while not {"listening", "redis_healthy"} <= {line["event"] for line in lines}:
        lines.append(json.loads(await process.stderr.readline()))
    (listening,) = [line for line in lines if line["event"] == "listening"]
    return process, listening["urls"][0].removesuffix(PATH), lines


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_process_with_0_after_its_last_line(start, number):
    process, base, lines = await start()
    async with aiohttp.ClientSession() as session:
        request = signed()
        async with session.post(base + PATH, data=request.body, headers=request.headers) as response:
            assert response.status == 200
    process.send_signal(number)
    _, rest = await process.communicate()
    lines += [json.loads(line) for line in rest.splitlines()]
    assert process.returncode == 0
    assert [line["event"] for line in lines[-2:]] == ["draining", "stopped"]
    assert SECRET not in json.dumps(lines)
    assert not [line for line in lines if line["level"] == "error"]


async def test_two_processes_share_a_port(start, unused_port):
    processes = [(await start(unused_port))[0] for _ in range(2)]
    processes[0].send_signal(signal.SIGINT)
    await processes[0].communicate()
    async with aiohttp.ClientSession() as session:
        request = signed()
        url = f"http://127.0.0.1:{unused_port}{PATH}"
        async with session.post(url, data=request.body, headers=request.headers) as response:
            assert response.status == 200
    processes[1].send_signal(signal.SIGINT)
    await processes[1].communicate()
    assert [process.returncode for process in processes] == [0, 0]


def at(name: str, listen: Listen) -> dict[str, Listen | tuple[Listen, ...]]:
    return {name: (listen,) if name == "listen" else listen}


async def test_a_port_in_use_is_a_transient_failure(redis_url):
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        port = occupied.getsockname()[1]
        for name in ("listen", "ops_listen"):
            with pytest.raises(FailedError, match=f"{name}: can't listen on 127.0.0.1:{port}: .*in use"):
                await app.serve(settings(redis_url, **at(name, Listen("127.0.0.1", port, name))), Stopping())


@pytest.mark.parametrize("name", ["listen", "ops_listen"])
async def test_an_address_that_this_machine_lacks_is_a_transient_failure(redis_url, name):
    with pytest.raises(FailedError, match=f"{name}: can't listen on 192.0.2.1:8080"):
        await app.serve(settings(redis_url, **at(name, Listen("192.0.2.1", 8080, name))), Stopping())


@pytest.mark.parametrize("name", ["listen", "ops_listen"])
@pytest.mark.parametrize("host", ["no.such.name.invalid", "127.0..1"])
async def test_an_invalid_host_name_is_a_configuration_error(redis_url, name, host):
    with pytest.raises(ConfigError, match=f"{name}: can't listen on {host}:8080: "):
        await app.serve(settings(redis_url, **at(name, Listen(host, 8080, name))), Stopping())


async def test_ready_means_listening_however_long_the_port_takes_to_open(redis_url, unused_port, monkeypatch):
    loop = asyncio.get_running_loop()
    create_server, opening, may_open = loop.create_server, asyncio.Event(), asyncio.Event()

    async def slowly(factory, host=None, port=None, **options):
        if port == unused_port:
            opening.set()
            await may_open.wait()
        return await create_server(factory, host, port, **options)

    monkeypatch.setattr(loop, "create_server", slowly)
    listen, ops, stopping = Listen("127.0.0.1", unused_port), Listen("127.0.0.1", free_port()), Stopping()
    running = asyncio.create_task(app.serve(settings(redis_url, listen=(listen,), ops_listen=ops), stopping))
    await opening.wait()  # by then the first health check has ended
    async with aiohttp.ClientSession() as session:
        assert not await is_ready(session, ops)
        may_open.set()
        await until(lambda: is_ready(session, ops))
        assert (await session.get(f"http://{listen}{PATH}")).status == 405, "the port listens"
    stopping.set()
    await running


async def is_ready(session: aiohttp.ClientSession, ops: Listen) -> bool:
    """Whether a readiness probe succeeds."""
    async with session.get(f"http://{ops}/readyz") as answer:
        return answer.status == 200


async def test_a_wrong_shard_count_ends_the_start(redis_url):
    async with serving(redis_url):
        pass
    with pytest.raises(ConfigError, match="shards: 2 here"):
        await app.serve(settings(redis_url, shards=2), Stopping())


async def test_g10_requests_in_flight_at_the_signal_are_answered(ingest, client):
    async def connected():
        reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
        await posted(writer)
        assert b" 200 " in await reader.readuntil(b"}")
        return reader, writer

    async def posted(writer):
        request = signed()
        writer.write(head(request, f"Content-Length: {len(request.body)}") + request.body)
        await writer.drain()

    connections = [await connected() for _ in range(30)]
    for _, writer in connections:
        await posted(writer)
    assert b" 200 " in await connections[0][0].readuntil(b"}")
    ingest.stopping.set()
    answers = [await reader.read() for reader, _ in connections[1:]]
    for _, writer in connections:
        await hang_up(writer)
    accepted = sum(b" 200 " in answer for answer in answers)
    assert accepted == len(answers)
    assert len(await entries(client)) == 30 + 1 + accepted


async def test_shards_spread_the_events_and_dedupe_on_each(redis_url, client):
    async with serving(redis_url, shards=4) as ingest:
        requests = [signed() for _ in range(40)]
        for status in ("accepted", "duplicate"):
            answers = await asyncio.gather(*(ingest.execute(request) for request in requests))
            assert {answer["status"] for _, answer in answers} == {status}
    lengths = [
        await client.execute_command("XLEN", f"hookbus:{{{shard}}}:stream:response.completed") for shard in range(4)
    ]
    assert sum(lengths) == 40
    assert all(lengths)


async def test_an_idle_connection_closes_after_keepalive_s(redis_url):
    async with serving(redis_url, keepalive_s=0.2) as ingest:
        reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
        request = signed()
        writer.write(head(request, f"Content-Length: {len(request.body)}") + request.body)
        assert b" 200 " in await reader.readuntil(b"}")
        async with asyncio.timeout(20):  # a quarter of the default
            assert await reader.read() == b""
        await hang_up(writer)


def test_an_ipv6_address_is_bracketed_in_its_url():
    class Listening:
        addresses = (("::1", 8080, 0, 0),)

    assert [str(address) for address in app._addresses(Listening())] == ["[::1]:8080"]
