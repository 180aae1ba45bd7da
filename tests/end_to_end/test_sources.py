"""`send` and `verify` work with every kind of source: its headers, its secret's form, and the place of its types."""

import asyncio
import base64
import json

import pytest

from hookbus.shared.keys import Keys
from tests.programs import SECRET, Ingest, Program, Worker
from tests.shared.test_public_key import KEY


def bare(name: str) -> str:
    return base64.b64encode(name.ljust(24, "_").encode()).decode()


SOURCES = {
    "openai": {"secrets": [SECRET]},
    "org": {"secrets": [SECRET]},
    "plain": {"scheme": "standard", "secrets": [bare("plain")]},
    "claude": {"scheme": "standard", "secrets": [f"whsec_{bare('claude')}"], "type_at": "data.type"},
    "clerk": {"scheme": "standard", "secrets": [bare("clerk")], "headers": "svix", "types": ["user.*"]},
    "raw": {"scheme": "standard", "secrets": [bare("raw")], "encoding": "raw", "type_at": "object.name.full"},
}
TABLE = json.dumps({name: {"path": f"/in/{name}"} | source for name, source in SOURCES.items()})


async def run(redis_url, environ, *command: str) -> tuple[int, list[str]]:
    with Program(*command, redis_url=redis_url, **environ) as program:
        return await program.until_ended(60), program.raw


@pytest.fixture
async def environ(redis_url):
    with Ingest(redis_url, OPENAI_WEBHOOK_SECRET="", HOOKBUS_INGEST_SOURCES=TABLE) as ingest:
        await ingest.until_healthy()
        yield {"HOOKBUS_INGEST_SOURCES": TABLE, "HOOKBUS_INGEST_LISTEN": f"127.0.0.1:{ingest.port}"}


async def test_send_posts_as_the_sender_of_each_source_would(redis_url, client, environ):
    for name, source in SOURCES.items():
        code, lines = await run(redis_url, environ, "hookbus-ingest", "send", f"user.{name}", "--source", name)
        assert code == 0, lines
        stored = f"{name}.user.{name}" if "scheme" in source else f"user.{name}"
        assert await client.execute_command("XLEN", Keys(0).stream(stored)) == 1
    code, lines = await run(redis_url, environ, "hookbus-ingest", "send", "order.paid", "--source", "clerk")
    assert code == 1
    assert any("403 type_not_allowed" in line for line in lines)


async def test_verify_proves_each_source(redis_url, client, environ):
    verifies = [
        run(redis_url, environ, "hookbus-worker", "verify", "--count", "20", "--json", "--source", name)
        for name in SOURCES
    ]
    for code, lines in await asyncio.gather(*verifies):
        assert code == 0, lines
    assert not await client.execute_command("SMEMBERS", Keys(0).types)


@pytest.mark.parametrize("command", [("hookbus-ingest", "send", "order.paid"), ("hookbus-worker", "verify")])
async def test_for_a_source_with_public_keys_only_one_line_says_why_nobody_else_can_sign(redis_url, command):
    table = json.dumps({"asymmetric": {"path": "/in", "scheme": "standard", "public_keys": [KEY]}})
    code, lines = await run(redis_url, {"HOOKBUS_INGEST_SOURCES": table, "COLUMNS": "200"}, *command)
    assert code == 2
    assert [line for line in lines if "source asymmetric has public keys only: nobody but its sender can" in line]


async def test_an_event_of_a_source_that_a_subscription_leaves_out_is_acked_unrun(redis_url, client, handled, environ):
    with Worker(redis_url, "narrow", HOOKBUS_LOG_LEVEL="debug") as worker:
        await worker.until_working()
        for name in ("org", "openai"):
            await run(redis_url, environ, "hookbus-ingest", "send", "response.completed", "--source", name)
        skipped = await worker.until_logged("skipped", group="narrow")
        ran = await worker.until_logged("handled", group="narrow")
        assert (skipped["source"], ran["source"]) == ("org", "openai")
        assert handled("narrow") == [ran["webhook_id"]]
        assert await worker.end() == 0
    [group] = await client.execute_command("XINFO", "GROUPS", Keys(0).stream("response.completed"))
    assert dict(zip(group[::2], group[1::2], strict=True))[b"pending"] == 0


async def test_commands_name_the_types_of_another_sender_with_their_prefix(redis_url, client, environ):
    with Worker(redis_url, "foreign") as worker:
        await worker.until_working()
        await run(redis_url, environ, "hookbus-ingest", "send", "order.paid", "--source", "claude")
        letter = await worker.until_logged("dead_letter", group="foreign")
        assert (letter["type"], letter["source"]) == ("claude.order.paid", "claude")
        assert "no order of ours: claude.order.paid" in letter["error"]
        for command, shown in (
            (("dlq", "list", "--type", "claude.order.paid"), "claude.order.paid"),
            (("dlq", "list", "--type", "claude.*"), "claude.order.paid"),
            (("status", "--json"), "claude.order.paid"),
            (("pause", "foreign", "claude.order.*"), "claude.order.*"),
        ):
            code, lines = await run(redis_url, {"COLUMNS": "200"}, "hookbus-worker", *command)
            assert code == 0, lines
            assert [line for line in lines if shown in line], lines
        await worker.until_logged("paused", group="foreign")
        assert await worker.end() == 0
