"""`ingest.listen` with several addresses."""

import asyncio
import socket

import pytest

from hookbus.shared.listen import Listen
from tests.ingest.serving import entries, hang_up, serving
from tests.programs import Ingest, event_body, free_port, post

PATH = "/webhooks/openai"


def refused(port: int, host: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) != 0


async def test_each_address_is_opened_logged_and_drained(redis_url, client):
    port = free_port()
    hosts = ("127.0.0.1", "127.0.0.2")
    setting = ",".join(f"{host}:{port}" for host in hosts)
    with Ingest(redis_url, "--listen", setting, HOOKBUS_INGEST_DRAIN_DELAY_S="0") as ingest:
        await ingest.until_healthy()
        urls = [f"http://{host}:{port}{PATH}" for host in hosts]
        assert ingest.logged("listening")[0]["urls"] == urls
        connections = [await asyncio.open_connection(host, port) for host in hosts]
        for number, url in enumerate(urls):
            assert (await post(url, f"wh_{number}", event_body()))[0] == 200
        ending = asyncio.create_task(ingest.end())
        await ingest.until_logged("draining")
        for _, writer in connections:
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answers = [await reader.read() for reader, _ in connections]
        assert await ending == 0
        for _, writer in connections:
            await hang_up(writer)
    assert [answer[9:12] for answer in answers] == [b"404", b"404"], "established connections are answered"
    assert len(await entries(client)) == 2
    assert all(refused(port, host) for host in hosts)


@pytest.mark.parametrize("taken_first", [True, False])
async def test_a_port_in_use_among_them_is_named_and_ends_the_start_with_1(redis_url, taken_first):
    with socket.create_server(("127.0.0.2", 0)) as occupied:
        port = occupied.getsockname()[1]
        addresses = [f"127.0.0.1:{port}", f"127.0.0.2:{port}"]
        with Ingest(redis_url, "--listen", ",".join(addresses[::-1] if taken_first else addresses)) as ingest:
            assert await ingest.until_ended() == 1
        output = "\n".join(ingest.raw)
    assert f"--listen: can't listen on 127.0.0.2:{port}: " in output
    assert "Traceback" not in output


@pytest.mark.needs("ipv6")
async def test_the_ipv6_wildcard_does_not_include_ipv4(redis_url):
    port = free_port()
    async with serving(redis_url, listen=(Listen("::", port),)) as ingest:
        async with ingest.session.get(f"http://[::1]:{port}/") as response:
            assert response.status == 404
        assert refused(port, "127.0.0.1")
    async with serving(redis_url, listen=(Listen("0.0.0.0", port), Listen("::", port))) as ingest:
        for host in ("127.0.0.1", "[::1]"):
            async with ingest.session.get(f"http://{host}:{port}/") as response:
                assert response.status == 404
