"""Environment variables of other programs are ignored."""

import pytest

from tests.exported import scrape
from tests.programs import Ingest, Worker, event_body, post


@pytest.mark.parametrize("variable", ["PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"])
@pytest.mark.parametrize("exists", [True, False], ids=["its_folder", "no_folder"])
async def test_prometheus_multiproc_dir_of_another_program_is_ignored(redis_url, tmp_path, variable, exists):
    folder = tmp_path / "metrics"
    if exists:
        folder.mkdir()
    environ = {variable: str(folder)}
    with Ingest(redis_url, **environ) as ingest, Worker(redis_url, "plain", **environ) as worker:
        await ingest.until_healthy()
        await worker.until_working()
        status, _ = await post(ingest.url, "wh_1", event_body())
        assert status == 200
        (line,) = ingest.logged("listening")
        metrics = await scrape(line["ops"].removeprefix("http://"))
        assert "hookbus_ingest_connections" in metrics
        assert "process_open_fds" in metrics
        assert await worker.end() == 0
        assert await ingest.end() == 0
    assert not folder.exists() or not list(folder.iterdir())
