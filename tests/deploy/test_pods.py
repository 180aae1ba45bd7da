"""The pods of the dev overlay, run here: their commands, files, probes and metrics, with a Valkey like theirs."""

import contextlib
import re
import signal

import aiohttp
import pytest

from hookbus.shared.valkey import Valkey
from tests.deploy import manifests
from tests.deploy.manifests import container, named, of_kind, rendered
from tests.deploy.pods import Pod, mount_files, swap
from tests.programs import event_body, post
from tests.wait import until

OBJECTS = rendered("dev")
FRESH = "whsec_" + "bmV4dC1zZWNyZXQtb2YtdGhlLXRlc3Rz"


@pytest.fixture
def valkey(tmp_path):
    """A Valkey with the options of the StatefulSet."""
    args = container(named(OBJECTS, "StatefulSet", "hookbus-redis"))["args"]
    options = {name.removeprefix("--"): value for name, value in zip(args[::2], args[1::2], strict=True)}
    options["dir"] = str(tmp_path / "valkey")
    server = Valkey(tmp_path / "valkey", **options).start()
    yield server
    server.close()


@pytest.fixture
def root(tmp_path, valkey):
    """The root folder of the pods, with the files that they mount and the address of that Valkey."""
    folder = mount_files(OBJECTS, manifests.programs(OBJECTS), tmp_path)
    service = named(OBJECTS, "Service", "hookbus-redis")
    assert (folder / "etc/hookbus/redis/url").read_text() == (
        f"redis://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}/0"
    )
    swap(folder / "etc/hookbus/redis", {"url": valkey.url})
    return folder


def start(name: str, root, **environ: str) -> Pod:
    """A pod of a Deployment."""
    return Pod(named(OBJECTS, "Deployment", f"hookbus-{name}"), root, **environ)


async def execute(url: str) -> tuple[int, str]:
    """Status and text of a GET; 0 without a response."""
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(url) as answer:
                return answer.status, await answer.text()
        except aiohttp.ClientError:
            return 0, ""


async def until_ready(*pods: Pod) -> None:
    """Wait until all their probes succeed."""
    for pod in pods:
        for probe in pod.probes.values():
            request = probe["httpGet"]

            async def is_well(url: str = pod.url(request["port"], request["path"])) -> bool:
                return (await execute(url))[0] == 200

            await until(is_well, what=f"{pod.command} answers {request['path']}: {pod.raw}")


async def test_an_event_passes_through_the_pods_of_the_dev_overlay_and_they_stop_in_time(root):
    with (
        start("ingest", root, HOOKBUS_INGEST_DRAIN_DELAY_S="0") as ingest,
        start("worker-billing", root) as billing,
        start("worker-audit", root) as audit,
        start("exporter", root) as exporter,
    ):
        await until_ready(ingest, billing, audit, exporter)
        secret = (root / "etc/hookbus/openai/2026-11").read_text()
        url = ingest.url("http", "/webhooks/openai")
        assert await post(url, "wh_1", event_body(), secret=secret) == (200, "accepted")
        await until(lambda: any("billing: charge for resp_1 (wh_1)" in line for line in billing.raw))
        await until(lambda: any("audit: response.completed, attempt 1" in line for line in audit.raw))
        for metric, labels in asked_for(rendered("production")):

            async def is_exported(pattern: str = rf"^{metric}\{{{labels}") -> bool:
                return re.search(pattern, (await execute(exporter.url("ops", "/metrics")))[1], re.MULTILINE) is not None

            await until(is_exported, what=f"KEDA queries {metric}{{{labels}")
        for pod in (billing, audit, exporter, ingest):
            assert await pod.end(signal.SIGTERM) == 0


async def test_the_console_of_the_dev_overlay_is_ready_and_lets_in_by_the_tokens_of_its_secret(root):
    with start("console", root) as console:
        await until_ready(console)
        for role in ("viewer", "operator"):
            token = (root / f"etc/hookbus/console/{role}s").read_text()
            jar = aiohttp.CookieJar(unsafe=True)  # it takes cookies of an address
            async with aiohttp.ClientSession(headers={"Sec-Fetch-Site": "same-origin"}, cookie_jar=jar) as session:
                assert "token 1" not in await text_of(session.get(console.url("ops", "/health")))
                page = await text_of(session.post(console.url("ops", "/login"), data={"token": token, "to": "/health"}))
                assert f"{role} token 1" in page
        assert await console.end(signal.SIGTERM) == 0


async def text_of(request: contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]) -> str:
    """The text of an answer."""
    async with request as answer:
        return await answer.text()


def asked_for(objects: list[manifests.Object]) -> list[tuple[str, str]]:
    """Metric and label matcher of every query of the scalers."""
    triggers = [trigger for found in of_kind(objects, "ScaledObject") for trigger in found["spec"]["triggers"]]
    found = [pair for each in triggers for pair in re.findall(r"(\w+)\{(group=\"\w+\")\}", each["metadata"]["query"])]
    assert len(found) == 2 * len(triggers)
    return found


async def test_an_added_secret_is_accepted_and_a_removed_one_refused_without_a_restart(root):
    folder = root / "etc/hookbus/openai"
    with start("ingest", root) as ingest:
        await until_ready(ingest)
        url = ingest.url("http", "/webhooks/openai")
        old = (folder / "2026-11").read_text()
        assert await post(url, "wh_1", event_body(), secret=FRESH) == (401, "signature_mismatch")
        swap(folder, {"2026-11": old, "2026-12": FRESH})
        await until(lambda: is_taken(url, "wh_1", FRESH))
        assert await is_taken(url, "wh_2", old), "both are valid during a rotation"
        swap(folder, {"2026-12": FRESH})

        async def old_is_refused() -> bool:
            return not await is_taken(url, "wh_3", old)

        await until(old_is_refused)
        assert await is_taken(url, "wh_4", FRESH)


async def is_taken(url: str, webhook_id: str, secret: str) -> bool:
    """Whether a delivery that is signed with this secret gets a 200."""
    status, _ = await post(url, webhook_id, event_body(), secret=secret)
    return status == 200
