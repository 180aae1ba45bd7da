"""What a `Publisher` is made of and given: secrets, types, ids, data."""

import json

import msgspec
import pytest

from hookbus.client import Publisher, PublishError
from tests.ingest.serving import entries
from tests.publishing import SECRET, SOURCES, STORED, TYPE, publishing


async def test_a_secret_without_whsec_is_base64_as_that_of_its_source(redis_url):
    async with publishing(redis_url, secret=SECRET.removeprefix("whsec_")) as publisher:
        await publisher.publish(TYPE, {})


async def test_an_event_that_no_handler_of_its_type_gets_is_an_error(redis_url, client):
    elsewhere = {"shop": msgspec.structs.replace(SOURCES["shop"], type_at="data.type")}
    async with publishing(redis_url, sources=SOURCES | elsewhere) as publisher:
        for _ in range(2):
            with pytest.raises(
                PublishError, match=r"200 .*stored as shop\.untyped: does the source read types"
            ) as raised:
                await publisher.publish(TYPE, {}, id="order-7")
    assert (raised.value.status, raised.value.code) == (200, "duplicate")
    assert len(await entries(client, "shop.untyped")) == 1


async def test_a_secret_may_be_in_a_file(redis_url, tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    async with publishing(redis_url, secret=f"file:{tmp_path}/secret") as publisher:
        await publisher.publish(TYPE, {})


@pytest.mark.parametrize("event_type", ["", "order paid", "order/paid", "x" * 65, "hookbus.verify.x", None, 7, b"a.b"])
async def test_an_impossible_type_is_refused(event_type):
    async with Publisher("http://127.0.0.1:1/", SECRET) as publisher:
        with pytest.raises(ValueError, match="event type"):
            await publisher.publish(event_type, {})


async def test_the_longest_type_fits_behind_the_longest_prefix(redis_url, client):
    prefix = "p" * 63 + "."
    shop = {"shop": msgspec.structs.replace(SOURCES["shop"], prefix=prefix)}
    async with publishing(redis_url, sources=SOURCES | shop) as publisher:
        await publisher.publish("x" * 64, {})
    assert len(await entries(client, prefix + "x" * 64)) == 1


@pytest.mark.parametrize("webhook_id", ["", "a b", "a\nb", "ä", "x" * 256, 7, b"a"])
async def test_an_impossible_id_is_refused(webhook_id):
    async with Publisher("http://127.0.0.1:1/", SECRET) as publisher:
        with pytest.raises(ValueError, match="visible ASCII"):
            await publisher.publish(TYPE, {}, id=webhook_id)


CYCLE: list[object] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    "data",
    [
        object(),
        CYCLE,
        "\ud800",
        msgspec.Raw(b"{oops"),
        msgspec.Raw(b""),
        msgspec.Raw(b"\xff"),
        msgspec.Raw(b'1,"type":"evil.x"'),
        msgspec.Raw(b'1}{"a":1'),
        {"a": msgspec.Raw(b'1},"type":"evil.x","b":{"c":1')},
    ],
    ids=lambda data: type(data).__name__,
)
async def test_impossible_data_are_refused(data):
    async with Publisher("http://127.0.0.1:1/", SECRET, attempts=1) as publisher:
        with pytest.raises(TypeError, match="data can't be encoded as JSON"):
            await publisher.publish(TYPE, data)


async def test_encoded_data_pass(redis_url, client):
    async with publishing(redis_url) as publisher:
        await publisher.publish(TYPE, msgspec.Raw(b'{"of": "pydantic"}'))
    (entry,) = await entries(client, STORED)
    assert json.loads(entry[b"body"])["data"] == {"of": "pydantic"}


@pytest.mark.parametrize(
    ("url", "secret", "options", "message"),
    [
        ("ingest:8080/webhooks/shop", SECRET, {}, "http://"),
        ("http://x/", "sk-123", {}, "API key"),
        (None, SECRET, {}, "url None"),
        ("http://", SECRET, {}, "http://HOST"),
        ("http://x:99999/", SECRET, {}, "Port out of range"),
        ("http://x/", None, {}, "is its variable set"),
        ("http://x/", "file:/nowhere/secret", {}, "No such file"),
        ("http://x/", SECRET, {"attempts": 1.5}, "whole numbers"),
        ("http://x/", SECRET, {"attempts": True}, "whole numbers"),
        ("http://x/", SECRET, {"connections": "8"}, "whole numbers"),
        ("http://x/", SECRET, {"timeout": float("nan")}, "above 0"),
        ("http://x/", SECRET, {"timeout": float("inf")}, "above 0"),
        ("http://x/", SECRET, {"timeout": None}, "above 0"),
        ("http://x/", SECRET, {"attempts": 0}, "at least 1"),
        ("http://x/", SECRET, {"timeout": 0}, "above 0"),
        ("http://x/", SECRET, {"connections": 0}, "at least 1"),
    ],
)
def test_wrong_arguments_are_refused(url, secret, options, message):
    with pytest.raises(ValueError, match=message):
        Publisher(url, secret, **options)


async def test_a_publisher_that_is_not_open_or_open_twice_is_an_error():
    publisher = Publisher("http://127.0.0.1:1/", SECRET)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="async with"):
            await publisher.publish(TYPE, {})
        async with publisher:
            with pytest.raises(RuntimeError, match="open already"):
                await publisher.__aenter__()
