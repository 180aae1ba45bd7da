"""The load: requests that ingest accepts, from wrk and from the bundled generator."""

import pytest

from tests import tools
from tests.bench import load
from tests.bench.generator import content_length
from tests.programs import Ingest


@pytest.fixture
async def ingest(redis_url):
    with Ingest(redis_url) as program:
        yield await program.until_healthy()


@pytest.mark.parametrize("kind", ["wrk", "bundled"])
async def test_each_signed_request_is_stored_as_an_event_of_its_own(kind, ingest, client, tmp_path, monkeypatch):
    if kind == "bundled":
        monkeypatch.setattr(load, "generator", lambda: "")
    else:
        tools.need("wrk")
    file, size = load.sign(tmp_path, 60_000)
    found = await load.run(file, size, ingest.port, 1)
    stored = await client.execute_command("XLEN", "hookbus:{0}:stream:response.completed")
    # Requests in progress at the end were stored, but are not counted.
    assert found.requests > 100
    assert 0 <= stored - found.requests <= load.CONNECTIONS


async def test_requests_that_run_out_are_an_error(ingest, tmp_path):
    file, size = load.sign(tmp_path, 10)
    with pytest.raises(RuntimeError, match="10 were signed"):
        await load.run(file, size, ingest.port, 1)


async def test_refused_requests_are_an_error(ingest, tmp_path):
    file, size = load.sign(tmp_path, 1000)
    file.write_bytes(file.read_bytes().replace(b"webhook-signature: v1,", b"webhook-signature: v2,"))
    with pytest.raises(RuntimeError, match="requests failed"):
        await load.run(file, size, ingest.port, 1)


def test_the_content_length_is_read_in_any_case():
    assert content_length(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nServer: x") == 12
    assert content_length(b"HTTP/1.1 200 OK\r\ncontent-length:7") == 7
    assert content_length(b"HTTP/1.1 204 No Content") == 0
