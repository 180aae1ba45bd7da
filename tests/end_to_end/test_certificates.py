"""Certificates that are replaced while both programs run: neither needs a restart."""

import pytest

from tests import tls
from tests.programs import Ingest, Worker, event_body, post, post_until_accepted
from tests.tls import Front
from tests.wait import until

pytestmark = pytest.mark.needs("openssl")


async def test_g9_both_programs_follow_replaced_certificates_without_a_restart(redis_url, server, handled, tmp_path):
    tls.make(tmp_path, "first")
    front = await Front(tmp_path, server.socket).start()
    environ = {
        "HOOKBUS_REDIS_CA_FILE": str(tmp_path / "ca.crt"),
        "HOOKBUS_REDIS_CERT_FILE": str(tmp_path / "client.crt"),
        "HOOKBUS_REDIS_KEY_FILE": str(tmp_path / "client.key"),
        "HOOKBUS_INGEST_DRAIN_DELAY_S": "0",
        "TEST_REDIS_URL": redis_url,  # handlers record over a connection of their own
    }
    url = f"rediss://127.0.0.1:{front.port}/0"
    with Ingest(url, **environ) as ingest, Worker(url, "plain", **environ) as worker:
        await ingest.until_healthy()
        await worker.until_working()
        assert (await post(ingest.url, "wh_first", event_body()))[0] == 200
        await until(lambda: handled("plain") == ["wh_first"])
        await front.stop()
        tls.make(tmp_path, "second")
        await ingest.until_logged("redis_unhealthy")
        await front.start()
        await post_until_accepted(ingest.url, "wh_second", event_body())
        await until(lambda: handled("plain") == ["wh_first", "wh_second"])
        assert await worker.end() == 0
        assert await ingest.end() == 0
    await front.stop()
