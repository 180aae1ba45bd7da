"""Events of five senders, signed by their own libraries: each reaches its own handler, and nothing is dead."""

import json
import subprocess
from pathlib import Path

import aiohttp
import pytest

from hookbus.shared.keys import Keys
from tests import tools
from tests.programs import Ingest, Worker
from tests.senders import events, libraries
from tests.wait import until

HERE = Path(__file__).parent
SEEN = {
    "openai": "batch_abc",
    "gemini": "gemini.batch.failed batch_123456",
    "claude": "sesn_1",
    "clerk": "user_1 ins_1",
    "resend": "resend.email.sent x",
}

pytestmark = pytest.mark.needs("senders")


def signed(runtime: str, signer: str) -> list[dict]:
    """A delivery of each sender, signed by a library of a runtime, and accepted by the SDK of the sender."""
    command = {"python": [tools.need("senders"), str(HERE / "sign.py")], "node": ["node", str(HERE / "sign.mjs")]}
    unsigned = json.dumps(events.deliveries(signer, f"{runtime}_{signer}"))
    done = subprocess.run(
        command[runtime], input=unsigned, cwd=libraries.NODE, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def post(session: aiohttp.ClientSession, base: str, delivery: dict) -> tuple[int, dict]:
    values = {"id": delivery["id"], "timestamp": str(delivery["at"]), "signature": delivery["signature"]}
    headers = {f"{delivery['headers']}-{name}": value for name, value in values.items()}
    async with session.post(f"{base}/webhooks/{delivery['source']}", data=delivery["body"], headers=headers) as answer:
        return answer.status, await answer.json()


@pytest.mark.timeout(120)
async def test_each_event_reaches_its_own_handler_and_none_is_dead(redis_url, client):
    deliveries = [
        delivery
        for runtime in ("python", "node")
        for signer in ("standardwebhooks", "svix")
        for delivery in signed(runtime, signer)
    ]
    assert sum(delivery["has_sdk"] for delivery in deliveries) == 2 * 3 + 2 * 2
    environ = {"OPENAI_WEBHOOK_SECRET": "", "HOOKBUS_INGEST_SOURCES": events.table()}
    with Ingest(redis_url, **environ) as ingest, Worker(redis_url, "tests.senders.handlers:app") as worker:
        await ingest.until_healthy()
        await worker.until_working()
        base = f"http://127.0.0.1:{ingest.port}"
        async with aiohttp.ClientSession() as session:
            for delivery in deliveries:
                assert await post(session, base, delivery) == (200, {"status": "accepted"}), delivery
            elsewhere = {**deliveries[0], "source": "gemini", "id": "msg_elsewhere"}
            assert await post(session, base, elsewhere) == (401, {"error": "signature_mismatch"})

        async def recorded() -> dict[str, list[str]]:
            lists = {
                name: await client.execute_command("LRANGE", f"test:senders:{name}", 0, -1) for name in events.SOURCES
            }
            return {name: sorted(line.decode() for line in lines) for name, lines in lists.items()}

        expected = {
            name: sorted(
                f"{delivery['id']} {name} {events.STORED[name]} {SEEN[name]}"
                for delivery in deliveries
                if delivery["source"] == name
            )
            for name in events.SOURCES
        }

        async def is_complete() -> bool:
            return sum(map(len, (await recorded()).values())) >= len(deliveries)

        await until(is_complete)
        assert await recorded() == expected
        assert await worker.end() == 0
    assert await client.execute_command("LLEN", "test:senders:rest") == 0
    assert await client.execute_command("ZCARD", Keys(0).dead("senders")) == 0
