"""No source can speak for another: every source posts, correctly signed, the types of all others."""

import base64

import pytest

from hookbus.events import BY_TYPE
from hookbus.ingest import metrics
from hookbus.shared import posting
from hookbus.shared.keys import HOME, RESERVED
from hookbus.shared.samples import event_body
from hookbus.shared.secret import Secret, key_bytes
from hookbus.shared.sources import Source
from tests.ingest.serving import PATH, Ingest, entries, serving
from tests.shared.test_public_key import KEY, PRIVATE


def secret_of(name: str) -> Secret:
    return Secret("whsec_" + base64.b64encode(name.encode().ljust(32, b"_")).decode())


def source(name: str, **options) -> Source:
    path = PATH if name == "openai" else f"/webhooks/{name}"
    return Source(**{"path": path, "secrets": (secret_of(name),), "scheme": "standard"} | options)


SOURCES = {
    "openai": source("openai", scheme="openai"),
    "second": source("second", scheme="openai"),
    "third": source("third", scheme="openai", prefix="other_org."),
    "gemini": source("gemini"),
    "claude": source("claude", type_at="data.type"),
    "bare": source("bare", prefix=""),
    "shop": source("shop", types=("order.*", "batch.*")),
    "asymmetric": source("asymmetric", secrets=(), public_keys=(KEY,)),
}
STORED = {
    "openai": [*BY_TYPE, "response.imagined"],
    "third": ["other_org.response.completed"],
    "gemini": ["gemini.batch.failed", "gemini.untyped", "gemini.gemini.x"],
    "claude": ["claude.session.status_idled"],
    "bare": ["invoice.paid"],
    "shop": ["shop.order.paid"],
    "asymmetric": ["asymmetric.order.paid"],
}
"""Source → types in storage that its own events have."""
SHARED = {"openai": {"openai", "second"}, "bare": {"openai", "second", "bare"}}
"""Owner of a type → the sources that may store events under it, where it is not the owner alone."""


@pytest.fixture
async def ingest(redis_url):
    async with serving(redis_url, sources=SOURCES) as running:
        yield running


def event(name: str, own_type: str) -> posting.Request:
    body = event_body(own_type, type_at=SOURCES[name].type_at)
    request = posting.signed_request(key_bytes(secret_of(name), "base64"), body)
    if not SOURCES[name].secrets:
        signed = f"{request.webhook_id}.{request.headers['webhook-timestamp']}.".encode() + body
        request.headers["webhook-signature"] = "v1a," + base64.b64encode(PRIVATE.sign(signed)).decode()
    return request


async def post(ingest: Ingest, name: str, own_type: str) -> tuple[int, str]:
    status, answer = await ingest.execute(event(name, own_type), path=SOURCES[name].path)
    return status, answer.get("status") or answer["error"]


@pytest.mark.parametrize("forger", SOURCES)
async def test_g8_from_every_source_to_every_type_of_every_other_one(ingest: Ingest, client, forger):
    for owner, types in STORED.items():
        may_store = forger in SHARED.get(owner, {owner})
        for stored in types:
            before = len(await entries(client, stored))
            answer = await post(ingest, forger, stored)
            assert answer in ((200, "accepted"), (403, "type_not_allowed")), (forger, stored)
            after = await entries(client, stored)
            assert len(after) == before or may_store, (forger, stored)
            assert {entry[b"src"].decode() for entry in after} <= {forger}


@pytest.mark.parametrize("owner", STORED)
async def test_every_source_stores_its_own_types(ingest: Ingest, client, owner):
    for stored in STORED[owner]:
        own_type = stored.removeprefix(SOURCES[owner].owner(owner).prefix)
        assert await post(ingest, owner, own_type) == (200, "accepted")
        (entry,) = await entries(client, stored)
        assert entry[b"src"] == owner.encode()


@pytest.mark.parametrize("name", SOURCES)
async def test_a_secret_counts_for_its_own_source_only(ingest: Ingest, name):
    for other in SOURCES.keys() - {name}:
        request = posting.signed_request(key_bytes(secret_of(other), "base64"), event_body("order.paid"))
        answer = await ingest.execute(request, path=SOURCES[name].path)
        assert answer == (401, {"error": "signature_mismatch"})


async def test_a_refused_type_is_logged_recorded_and_counted(ingest: Ingest, client):
    counter = metrics.REQUESTS.labels("shop", "403", "type_not_allowed")
    before = counter.value
    assert await post(ingest, "shop", "invoice.paid") == (403, "type_not_allowed")
    assert counter.value - before == 1
    (line,) = ingest.logged("refused")
    found = line["code"], line["source"], line["reason"]
    assert found == ("type_not_allowed", "shop", "'invoice.paid' is none of its types")
    assert await client.execute_command("KEYS", "*stream*") == []


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'"order.paid"', b"{}", b'{"type": "session.idle"}', b'{"data": {"type": 5}}', b"\xff"]
)
async def test_a_body_without_a_type_is_stored_as_untyped_of_its_source_and_counted(ingest: Ingest, client, body):
    counter = metrics.UNTYPED_EVENTS.labels("claude", "no_type")
    before = counter._value.get()
    request = posting.signed_request(key_bytes(secret_of("claude"), "base64"), body)
    for status in ("accepted", "duplicate"):
        answer = await ingest.execute(request, path="/webhooks/claude")
        assert answer == (200, {"status": status, "type": "claude.untyped"})
    (entry,) = await entries(client, "claude.untyped")
    assert (entry[b"body"], entry[b"src"]) == (body, b"claude")
    assert counter._value.get() - before == 2


@pytest.mark.parametrize("name", ["gemini", "claude", "shop", "bare", "openai"])
async def test_events_of_a_verify_run_have_no_prefix_whatever_the_source(ingest: Ingest, client, name):
    verify = f"{RESERVED}verify.1795830303-0e1732b843ed"
    await client.execute_command("HSET", HOME.groups, verify, "0-0")
    assert await post(ingest, name, verify) == (200, "accepted")
    assert len(await entries(client, verify)) == 1


@pytest.mark.parametrize("name", SOURCES)
async def test_a_sender_that_makes_up_runs_of_verify_stores_nothing(ingest: Ingest, client, name):
    for run in (f"{RESERVED}verify.1795830303-0e1732b843e{digit}" for digit in range(5)):
        assert await post(ingest, name, run) == (403, "type_not_allowed")
    assert await client.execute_command("SMEMBERS", HOME.types) == []
    assert "no run of hookbus-worker verify in this Redis is named" in ingest.logged("refused")[0]["reason"]


async def test_an_id_of_one_source_is_no_duplicate_of_the_same_id_of_another(ingest: Ingest):
    for name in ("gemini", "claude", "openai"):
        request = event(name, "order.paid")
        body_and_key = (key_bytes(secret_of(name), "base64"), request.body)
        same = posting.signed_request(*body_and_key, "wh_same")
        assert await ingest.execute(same, path=SOURCES[name].path) == (200, {"status": "accepted"})
        assert await ingest.execute(same, path=SOURCES[name].path) == (200, {"status": "duplicate"})
