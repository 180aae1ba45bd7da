"""The pods of the dev overlay, run here: their commands, files, probes and figures, with a Valkey as theirs is."""

import re
import signal

import aiohttp
import pytest

from deploy.local.valkey import Valkey
from tests.deploy import manifests
from tests.deploy.manifests import container, named, of_kind, rendered
from tests.deploy.pods import Pod, ground, swap
from tests.programs import event_body, post
from tests.wait import until

OBJECTS = rendered("dev")
FRESH = "whsec_" + "bmV4dC1zZWNyZXQtb2YtdGhlLXRlc3Rz"


@pytest.fixture
def valkey(tmp_path):
    """Started as the StatefulSet starts it."""
    args = container(named(OBJECTS, "StatefulSet", "hookbus-redis"))["args"]
    options = {name.removeprefix("--"): value for name, value in zip(args[::2], args[1::2], strict=True)}
    options["dir"] = str(tmp_path / "valkey")
    server = Valkey(tmp_path / "valkey", **options).start()
    yield server
    server.close()


@pytest.fixture
def home(tmp_path, valkey):
    """What the pods mount, with the address of that Valkey."""
    there = ground(OBJECTS, manifests.programs(OBJECTS), tmp_path)
    service = named(OBJECTS, "Service", "hookbus-redis")
    assert (there / "etc/hookbus/redis/url").read_text() == (
        f"redis://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}/0"
    )
    swap(there / "etc/hookbus/redis", {"url": valkey.url})
    return there


def start(name: str, home, **environ: str) -> Pod:
    """A pod of a Deployment."""
    return Pod(named(OBJECTS, "Deployment", f"hookbus-{name}"), home, **environ)


async def execute(url: str) -> tuple[int, str]:
    """Status and text."""
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(url) as answer:
                return answer.status, await answer.text()
        except aiohttp.ClientError:
            return 0, ""


async def until_ready(*pods: Pod) -> None:
    """Wait until all their probes are answered as Kubernetes wants it."""
    for pod in pods:
        for probe in pod.probes.values():
            where = probe["httpGet"]

            async def is_well(url: str = pod.url(where["port"], where["path"])) -> bool:
                return (await execute(url))[0] == 200

            await until(is_well, what=f"{pod.command} answers {where['path']}: {pod.raw}")


async def test_the_pods_of_the_dev_overlay_do_the_job_and_stop_in_time(home):
    with (
        start("ingest", home, HOOKBUS_INGEST_DRAIN_DELAY_S="0") as ingest,
        start("worker-billing", home) as billing,
        start("worker-audit", home) as audit,
        start("exporter", home) as exporter,
    ):
        await until_ready(ingest, billing, audit, exporter)
        secret = (home / "etc/hookbus/openai/2026-11").read_text()
        url = ingest.url("http", "/webhooks/openai")
        assert await post(url, "wh_1", event_body(), secret=secret) == (200, "accepted")
        await until(lambda: any("billing: charge for resp_1 (wh_1)" in line for line in billing.raw))
        await until(lambda: any("audit: response.completed, attempt 1" in line for line in audit.raw))
        for metric, labels in asked_for(rendered("production")):

            async def is_told(pattern: str = rf"^{metric}\{{{labels}") -> bool:
                return re.search(pattern, (await execute(exporter.url("ops", "/metrics")))[1], re.MULTILINE) is not None

            await until(is_told, what=f"KEDA asks for {metric}{{{labels}")
        for pod in (billing, audit, exporter, ingest):
            assert await pod.end(signal.SIGTERM) == 0


def asked_for(objects: list[manifests.Object]) -> list[tuple[str, str]]:
    """Metric and label matcher, of all that the scalers ask Prometheus for."""
    triggers = [trigger for found in of_kind(objects, "ScaledObject") for trigger in found["spec"]["triggers"]]
    found = [pair for each in triggers for pair in re.findall(r"(\w+)\{(group=\"\w+\")\}", each["metadata"]["query"])]
    assert len(found) == 2 * len(triggers)
    return found


async def test_a_secret_that_is_added_is_taken_and_one_that_is_removed_is_refused_without_a_restart(home):
    folder = home / "etc/hookbus/openai"
    with start("ingest", home) as ingest:
        await until_ready(ingest)
        url = ingest.url("http", "/webhooks/openai")
        old = (folder / "2026-11").read_text()
        assert await post(url, "wh_1", event_body(), secret=FRESH) == (401, "signature_mismatch")
        swap(folder, {"2026-11": old, "2026-12": FRESH})
        await until(lambda: is_taken(url, "wh_1", FRESH))
        assert await is_taken(url, "wh_2", old), "both, while the sender changes over"
        swap(folder, {"2026-12": FRESH})

        async def old_is_refused() -> bool:
            return not await is_taken(url, "wh_3", old)

        await until(old_is_refused)
        assert await is_taken(url, "wh_4", FRESH)


async def is_taken(url: str, webhook_id: str, secret: str) -> bool:
    """Whether a delivery that is signed with this secret gets a 200."""
    status, _ = await post(url, webhook_id, event_body(), secret=secret)
    return status == 200
