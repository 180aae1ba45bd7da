"""G10: processes share a port, or one gets it from systemd; a stop refuses and resets no connection."""

import asyncio
import itertools
import socket
from collections import Counter

import pytest
from aiohttp import web

from hookbus.ingest import port
from hookbus.ingest.port import close_port
from hookbus.shared import posting
from hookbus.shared.http_server import Limits, Server
from hookbus.shared.secret import key_bytes
from tests.gone import PEER_GONE
from tests.ingest.serving import entries, hang_up, head
from tests.programs import SECRET, Ingest, event_body, free_port
from tests.wait import until

KEY = key_bytes(SECRET, "raw")
BODY = event_body()
ON_LINUX = pytest.mark.needs("linux")  # only Linux has the filter that drops handshakes


class Load:
    """Clients that connect and post in a loop. `outcomes` counts statuses and errors."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.is_over = asyncio.Event()
        self.outcomes: Counter[str] = Counter()
        self.accepted: set[bytes] = set()

    async def run(self, depth: int, uses: int) -> None:
        """Open connections, and send `depth` pipelined requests `uses` times over each."""
        while not self.is_over.is_set():
            try:
                await self._connection(depth, uses)
            except (*PEER_GONE, asyncio.IncompleteReadError) as error:
                self.outcomes[type(error).__name__] += 1

    async def _connection(self, depth: int, uses: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            for _ in range(uses):
                requests = [posting.signed_request(KEY, BODY) for _ in range(depth)]
                writer.write(b"".join(head(request, f"Content-Length: {len(BODY)}") + BODY for request in requests))
                for request in requests:
                    answer = await reader.readuntil(b"}")
                    self.outcomes[answer[9:12].decode()] += 1
                    if answer[9:12] == b"200":
                        self.accepted.add(request.webhook_id.encode())
                    if b"Connection: close" in answer:  # the requests behind it are for another connection
                        return
        finally:
            await hang_up(writer)


async def _stop(load: Load, processes: list[Ingest]) -> None:
    """Stop one process after the other, each under load."""
    for leaving in processes:
        before = load.outcomes["200"]
        await until(lambda before=before: load.outcomes["200"] > before + 200)
        assert await leaving.end() == 0


async def test_g10_a_stop_refuses_and_resets_no_connection(redis_url, client):
    port = free_port()

    async def started() -> Ingest:
        return await Ingest(redis_url, port=port, HOOKBUS_INGEST_DRAIN_DELAY_S="0.2").until_healthy()

    processes = await asyncio.gather(*(started() for _ in range(4)))
    load = Load(port)
    kinds = [*itertools.product((1, 10), (1, 1000)), *[(1, 1)] * 4] * 3  # some always wait to be accepted
    clients = [asyncio.create_task(load.run(depth, uses)) for depth, uses in kinds]
    try:
        await _stop(load, processes[:3])
        processes.append(await started())  # only one starts under load, as that takes seconds
        await _stop(load, processes[3:4])
        load.is_over.set()
        await asyncio.gather(*clients)
    finally:
        for process in processes:
            process.__exit__(None, None, None)
    assert set(load.outcomes) == {"200"}, load.outcomes
    assert load.accepted <= {entry[b"id"] for entry in await entries(client)}


@ON_LINUX
async def test_g10_a_client_that_connects_after_the_last_accept_reaches_the_next_process(monkeypatch):
    """Without the filter the kernel would complete its handshake, and reset it a moment later."""
    accept_all, late = port._accept_all, socket.socket()

    def accept_all_before_a_late_client(listening: socket.socket) -> list[socket.socket]:
        accepted = accept_all(listening)
        late.setblocking(False)
        late.connect_ex(listening.getsockname())
        return accepted

    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response()

    monkeypatch.setattr(port, "_accept_all", accept_all_before_a_late_client)
    http = Server(handle, Limits(10, 10), lambda _: None)
    runner = web.ServerRunner(http)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, reuse_port=True)
    await site.start()
    with socket.socket() as following, late:
        following.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        following.bind(("127.0.0.1", runner.addresses[0][1]))
        await close_port([site], http, 0)
        following.listen()
        following.setblocking(False)
        async with asyncio.timeout(10):
            connection, address = await asyncio.get_running_loop().sock_accept(following)
        connection.close()
        assert address == late.getsockname()
        assert late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    await runner.cleanup()


@ON_LINUX
async def test_g10_the_filter_drops_new_handshakes_and_keeps_established_connections():
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as early, socket.socket() as late:
        early.connect(listening.getsockname())
        port._drop_handshakes(listening)
        late.setblocking(False)
        late.connect_ex(listening.getsockname())
        [accepted] = port._accept_all(listening)
        with accepted:
            early.sendall(b"x")
            assert accepted.recv(1) == b"x"


async def test_g10_a_restart_on_a_port_of_systemd_refuses_and_resets_no_connection(redis_url, client):
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as port, socket.create_server(("127.0.0.1", 0)) as ops:
        number = port.getsockname()[1]
        load = Load(number)
        clients = [asyncio.create_task(load.run(depth, uses)) for depth, uses in ((1, 1), (10, 1000))]
        served = []
        for _ in range(2):
            passed = {"webhooks": port, "ops": ops}
            before = load.outcomes["200"]
            with Ingest(redis_url, listening=passed, HOOKBUS_INGEST_DRAIN_DELAY_S="0.2") as ingest:
                await ingest.until_healthy()
                (line,) = ingest.logged("listening")
                assert line["urls"] == [f"http://127.0.0.1:{number}/webhooks/openai"]
                assert line["ops"] == f"http://127.0.0.1:{ops.getsockname()[1]}"
                await until(lambda before=before: load.outcomes["200"] > before + 100)
                assert await ingest.end() == 0
            served.append(load.outcomes["200"] - before)
        load.is_over.set()
        with Ingest(redis_url, listening={"webhooks": port}) as ingest:
            await asyncio.gather(*clients)  # connections that wait for the next process are answered
            assert await ingest.end() == 0
    assert set(load.outcomes) == {"200"}, load.outcomes
    assert load.accepted <= {entry[b"id"] for entry in await entries(client)}
    assert all(served)
