"""What another program's variables ask for is nothing to us."""

import pytest

from tests.exported import scrape
from tests.programs import Ingest, Worker, event_body, post


@pytest.mark.parametrize("variable", ["PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"])
@pytest.mark.parametrize("exists", [True, False], ids=["its_folder", "no_folder"])
async def test_metrics_stay_our_own_where_a_neighbour_keeps_its_own_in_files(redis_url, tmp_path, variable, exists):
    folder = tmp_path / "metrics"
    if exists:
        folder.mkdir()
    asked = {variable: str(folder)}
    with Ingest(redis_url, **asked) as ingest, Worker(redis_url, "plain", **asked) as worker:
        await ingest.until_fit()
        await worker.until_working()
        status, _ = await post(ingest.url, "wh_1", event_body())
        assert status == 200
        (line,) = ingest.logged("listening")
        shown = await scrape(line["ops"].removeprefix("http://"))
        assert "hookbus_ingest_connections" in shown
        assert "process_open_fds" in shown
        assert await worker.end() == 0
        assert await ingest.end() == 0
    assert not folder.exists() or not list(folder.iterdir())
