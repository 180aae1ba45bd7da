"""Events are handled whatever happens to standard error."""

import os

import pytest

from tests.programs import Worker
from tests.wait import until
from tests.worker.builders import store


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
async def test_a_worker_without_standard_streams_works_and_stops(redis_url, client, handled, closed):
    await store(client, "wh_1")
    with Worker(redis_url, "plain", around=("sh", "-c", f'exec "$@" {closed}', "-")) as worker:
        await until(lambda: handled("plain") == ["wh_1"])
        assert await worker.end() == 0


async def test_a_worker_with_an_unread_log_handles_events_and_stops(redis_url, client, handled, tmp_path):
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    names = [f"wh_{number}" for number in range(1000)]  # a line of 200 bytes each; a pipe holds 64 KiB
    try:
        around = ("sh", "-c", f'exec "$@" 2>{pipe}', "-")
        with Worker(redis_url, "plain", around=around, HOOKBUS_LOG_LEVEL="debug") as worker:
            await store(client, *names)
            await until(lambda: len(handled("plain")) == len(names))
            assert await worker.end() == 0
    finally:
        os.close(reader)
