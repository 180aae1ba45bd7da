"""Which headers and which form of secret a source has is configured, and never guessed from a request."""

import base64

import pytest

from hookbus.shared import posting, rejection
from hookbus.shared.header_names import NAMES
from hookbus.shared.secret import Secret
from hookbus.shared.sources import Source
from tests.ingest.serving import PATH, Ingest, entries, serving
from tests.wait import until


def key(name: str) -> str:
    """31 bytes: their base64 is padded."""
    return name.ljust(31, "_")


def unpadded(name: str) -> str:
    return base64.b64encode(key(name).encode()).decode().rstrip("=")


SOURCES = {
    "openai": Source(path=PATH, secrets=(Secret(key("openai")),)),
    "clerk": Source(path="/clerk", secrets=(Secret(f"whsec_{unpadded('clerk')}"),), scheme="standard", headers="svix"),
    "bare": Source(path="/bare", secrets=(Secret(unpadded("bare")),), scheme="standard"),
    "raw": Source(path="/raw", secrets=(Secret(key("raw")),), scheme="standard", encoding="raw"),
    "org": Source(path="/org", secrets=(Secret(unpadded("org")),), encoding="base64"),
}


@pytest.fixture
async def ingest(redis_url):
    async with serving(redis_url, sources=SOURCES) as running:
        yield running


def signed(name: str, headers="webhook") -> posting.Request:
    return posting.signed_request(key(name).encode(), b'{"type": "user.created"}', names=NAMES[headers])


@pytest.mark.parametrize("name", SOURCES)
async def test_every_form_of_a_secret_is_the_same_key(ingest: Ingest, client, name):
    source = SOURCES[name]
    request = signed(name, source.headers)
    assert await ingest.execute(request, path=source.path) == (200, {"status": "accepted"})
    (entry,) = await entries(client, source.owner(name).prefix + "user.created")
    assert entry[b"id"] == request.webhook_id.encode()


@pytest.mark.parametrize(("path", "headers"), [("/clerk", "webhook"), ("/bare", "svix")])
async def test_headers_of_the_other_kind_are_missing(ingest: Ingest, client, path, headers):
    assert await ingest.execute(signed(path[1:], headers), path=path) == (400, {"error": "missing_header"})
    (line,) = ingest.logged("refused")
    assert "-id" in line["reason"]
    assert headers not in line["reason"]
    await until(lambda: client.execute_command("XLEN", "hookbus:{0}:rejections"))
    ((_, refused),) = await rejection.read(client, 0)
    assert refused.skew_s is not None
    assert f"{headers}-signature" in refused.headers


async def test_one_kind_never_completes_the_other(ingest: Ingest):
    svix = signed("clerk", "svix")
    mixed = {"svix_signature": "-", "webhook_signature": svix.headers["svix-signature"]}
    assert await ingest.execute(svix, path="/clerk", **mixed) == (400, {"error": "missing_header"})
    # Forged headers of the other kind beside genuine ones change nothing.
    beside = {"webhook_id": "wh_forged", "webhook_timestamp": "1", "webhook_signature": "v1,AAAA"}
    assert await ingest.execute(svix, path="/clerk", **beside) == (200, {"status": "accepted"})


@pytest.mark.parametrize("headers", ["webhook", "svix"])
async def test_a_refusal_names_the_headers_of_the_source(ingest: Ingest, headers):
    path = "/clerk" if headers == "svix" else "/bare"
    assert await ingest.execute(signed(path[1:], headers), path=path, **{f"{headers}_timestamp": "soon"}) == (
        400,
        {"error": "malformed_header"},
    )
    (line,) = ingest.logged("refused")
    assert f"{headers}-timestamp is not a number of seconds" in line["reason"]
