"""A running receiver with default settings."""

import socket
from collections.abc import AsyncIterator

import pytest

from tests.ingest.serving import Ingest, serving


@pytest.fixture
async def ingest(redis_url: str) -> AsyncIterator[Ingest]:
    async with serving(redis_url) as running:
        yield running


@pytest.fixture(autouse=True)
def libraries_log_no_error(caplog: pytest.LogCaptureFixture):
    """aiohttp and asyncio log through the standard library; an error there fails the test."""
    yield
    assert not [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


@pytest.fixture
def unused_port() -> int:
    """A port on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
