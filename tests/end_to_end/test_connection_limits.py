"""G8: the limits on connections hold in the real programs, and slow connections exclude no valid sender."""

import asyncio
import socket
from collections.abc import Iterator

import aiohttp
import pytest

from hookbus.shared.health import OPS_CONNECTIONS
from tests.programs import Ingest, Worker, event_body, free_port, post, signed

MAX = 40
SLOW = (
    b"",
    b"POST /webhooks/openai HTTP/1.1\r\nHost: x\r\n",
    b"POST /webhooks/openai HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    b"POST /webhooks/openai HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
)
"""Unauthenticated data of a client: no byte, half a head, half a body, a forged request."""


class Crowd:
    """Connections that are opened and then idle."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    async def join(self, port: int, count: int) -> None:
        for number in range(count):
            connection = socket.socket()
            self._sockets.append(connection)
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
            connection.send(SLOW[number % len(SLOW)])

    def staying(self) -> int:
        """The number of connections that the server keeps open."""
        return sum(_is_open(connection) for connection in self._sockets)

    def close(self) -> None:
        for connection in self._sockets:
            connection.close()


def _is_open(connection: socket.socket) -> bool:
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    crowd = Crowd()
    yield crowd
    crowd.close()


async def test_g8_slow_connections_to_the_webhook_port_are_bounded_and_other_senders_are_served(redis_url, crowd):
    async with aiohttp.ClientSession() as proxy:
        with Ingest(redis_url, HOOKBUS_INGEST_MAX_CONNECTIONS=str(MAX)) as ingest:
            await ingest.until_healthy()

            async def through_proxy(webhook_id: str) -> int:
                body = event_body()
                async with proxy.post(ingest.url, data=body, headers=signed(webhook_id, body)) as answer:
                    await answer.read()
                    return answer.status

            assert await through_proxy("wh_first") == 200
            for turn in range(3):
                await crowd.join(ingest.port, MAX + 10)
                assert await post(ingest.url, f"wh_{turn}", event_body()) == (200, "accepted")
                assert crowd.staying() <= MAX  # the server accepted each of them before the post
            answers = [await post(ingest.url, f"wh_more_{number}", event_body()) for number in range(MAX + 10)]
            assert answers == [(200, "accepted")] * len(answers)
            assert await through_proxy("wh_last") == 200, "an idle connection of a proxy is kept"
            assert len(proxy.connector._conns) == 1
            assert crowd.staying() > 0, "no more were closed than necessary"


@pytest.mark.parametrize("program", [Ingest, Worker])
async def test_g8_slow_connections_to_the_ops_port_are_bounded_and_probes_are_answered(redis_url, crowd, program):
    port, arguments = free_port(), ("plain",) if program is Worker else ()
    ops = {"HOOKBUS_INGEST_OPS_LISTEN": f"127.0.0.1:{port}", "HOOKBUS_WORKER_OPS_LISTEN": f"127.0.0.1:{port}"}
    with program(redis_url, *arguments, **ops) as running:
        await running.until_logged("listening" if program is Ingest else "working")
        await crowd.join(port, OPS_CONNECTIONS + 30)
        async with aiohttp.ClientSession() as probe, probe.get(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
            assert crowd.staying() < OPS_CONNECTIONS
