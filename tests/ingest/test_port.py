"""G10: two processes share a port, or one gets it from systemd; whichever stops, nobody is refused or reset."""

import asyncio
import itertools
import socket
from collections import Counter

from shared import posting
from shared.secret import key_bytes
from tests.ingest.serving import entries, hang_up, head
from tests.programs import SECRET, Ingest, event_body, free_port
from tests.wait import until

KEY = key_bytes(SECRET, "openai")
BODY = event_body()


class Load:
    """Clients of one kind, over and over. `outcomes` counts statuses and errors."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.is_over = asyncio.Event()
        self.outcomes: Counter[str] = Counter()
        self.accepted: set[bytes] = set()

    async def run(self, depth: int, uses: int) -> None:
        """Connections that are used so often, for so many pipelined requests each time."""
        while not self.is_over.is_set():
            try:
                await self._connection(depth, uses)
            except (OSError, asyncio.IncompleteReadError) as error:
                self.outcomes[type(error).__name__] += 1

    async def _connection(self, depth: int, uses: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            for _ in range(uses):
                requests = [posting.signed_request(KEY, BODY) for _ in range(depth)]
                writer.write(b"".join(head(one, f"Content-Length: {len(BODY)}") + BODY for one in requests))
                for request in requests:
                    answer = await reader.readuntil(b"}")
                    self.outcomes[answer[9:12].decode()] += 1
                    if answer[9:12] == b"200":
                        self.accepted.add(request.webhook_id.encode())
                    if b"Connection: close" in answer:  # what was pipelined behind it is for another connection
                        return
        finally:
            await hang_up(writer)


async def test_g10_a_stop_refuses_and_resets_nobody(redis_url, client):
    port = free_port()

    async def started() -> Ingest:
        return await Ingest(redis_url, port=port, HOOKBUS_INGEST_DRAIN_DELAY_S="0.2").until_fit()

    processes = [await started(), await started()]
    load = Load(port)
    kinds = itertools.product((1, 10), (1, 1000), range(3))
    clients = [asyncio.create_task(load.run(depth, uses)) for depth, uses, _ in kinds]
    try:
        for turn in itertools.islice(itertools.cycle((0, 1)), 4):
            with processes[turn] as leaving:
                assert await leaving.end() == 0
            processes[turn] = await started()
        load.is_over.set()
        await asyncio.gather(*clients)
    finally:
        for process in processes:
            process.__exit__(None, None, None)
    assert set(load.outcomes) == {"200"}, load.outcomes
    assert load.accepted <= {entry[b"id"] for entry in await entries(client)}


async def test_g10_a_restart_on_a_port_of_systemds_refuses_and_resets_nobody(redis_url, client):
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as port, socket.create_server(("127.0.0.1", 0)) as ops:
        number = port.getsockname()[1]
        load = Load(number)
        clients = [asyncio.create_task(load.run(depth, uses)) for depth, uses in ((1, 1), (10, 1000))]
        served = []
        for _ in range(2):
            passed = {"webhooks": port, "ops": ops}
            before = load.outcomes["200"]
            with Ingest(redis_url, listening=passed, HOOKBUS_INGEST_DRAIN_DELAY_S="0.2") as ingest:
                await ingest.until_fit()
                (line,) = ingest.logged("listening")
                assert line["urls"] == [f"http://127.0.0.1:{number}/webhooks/openai"]
                assert line["ops"] == f"http://127.0.0.1:{ops.getsockname()[1]}"
                await until(lambda before=before: load.outcomes["200"] > before + 100)
                assert await ingest.end() == 0
            served.append(load.outcomes["200"] - before)
        load.is_over.set()
        with Ingest(redis_url, listening={"webhooks": port}) as ingest:
            await asyncio.gather(*clients)  # who waits for the next process is answered
            assert await ingest.end() == 0
    assert set(load.outcomes) == {"200"}, load.outcomes
    assert load.accepted <= {entry[b"id"] for entry in await entries(client)}
    assert all(served)
