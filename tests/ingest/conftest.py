"""A running receiver for the tests that need no other settings."""

from collections.abc import AsyncIterator

import pytest

from tests.ingest.serving import Ingest, serving


@pytest.fixture
async def ingest(redis_url: str) -> AsyncIterator[Ingest]:
    async with serving(redis_url) as running:
        yield running


@pytest.fixture(autouse=True)
def no_library_complains(caplog: pytest.LogCaptureFixture):
    """aiohttp and asyncio log through the standard library; a traceback there is a failed promise."""
    yield
    assert not [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]
