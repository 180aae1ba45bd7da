"""`make test-image`: builds the image, and runs its programs in it with a read-only root."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from hookbus.shared.release import VERSION
from tests import users
from tests.deploy.image.image import BUILD_TIMEOUT_S, Image
from tests.programs import ROOT, SECRET, Program, event_body, free_port, post
from tests.wait import until

pytestmark = [pytest.mark.needs("buildah", "debootstrap", "root"), pytest.mark.timeout(BUILD_TIMEOUT_S)]
BIN = "/opt/hookbus/bin"


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Iterator[Image]:
    built = Image(tmp_path_factory.mktemp("image"))
    yield built
    built.remove()


@pytest.fixture
def srv(tmp_path) -> Path:
    """The working directory, with the handlers of Compose."""
    package = tmp_path / "srv/myservice"
    package.mkdir(parents=True)
    shutil.copy(ROOT / "deploy/local/handlers.py", package)
    return package.parent


def run_in(image: Image, srv: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the image to its end."""
    return subprocess.run([*image.inside(srv), *command], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("program", ["hookbus-ingest", "hookbus-worker"])
def test_both_programs_are_on_the_path_and_of_this_release(image, srv, program):
    done = run_in(image, srv, program, "--version")
    assert (done.returncode, done.stdout) == (0, f"hookbus {VERSION}\n"), done.stderr


def test_hookbus_can_be_imported_and_no_other_name_of_ours(image, srv):
    names = "('hookbus', 'ingest', 'worker', 'shared', 'tests', 'deploy')"
    code = f"import hookbus, importlib.util; print([name for name in {names} if importlib.util.find_spec(name)])"
    done = run_in(image, srv, "python", "-c", code)
    assert done.stdout == "['hookbus']\n", done.stderr


def test_its_user_is_not_root_and_cannot_write(image, srv):
    done = run_in(image, srv, "python", "-c", "import os; print(os.getuid(), os.getgid(), os.getcwd())")
    assert done.stdout == "10001 10001 /srv\n", done.stderr
    for folder in ("/opt/hookbus", BIN, "/srv", "/tmp", "/etc"):
        done = run_in(image, srv, "touch", f"{folder}/written")
        assert (done.returncode, done.stdout) == (1, ""), folder
    writable = run_in(image, srv, "find", "/opt/hookbus", "-perm", "/022", "!", "-type", "l")
    assert writable.stdout == ""


def test_it_holds_no_install_tools_and_no_settings_of_the_build_machine(image, srv):
    assert run_in(image, srv, "python", "-m", "pip").returncode == 1
    assert run_in(image, srv, "python3", "-m", "hatchling").returncode == 1
    settings = image.root / "etc/pip.conf"
    assert not settings.exists() or settings.read_bytes() == b"", "the mount leaves an empty file at most"
    assert not (image.root / "src").exists(), "the source stays in the first stage"


def test_its_configuration_names_command_health_check_version_and_ports(image):
    config = image.config
    assert config["Cmd"][:2] == ["hookbus-ingest", "serve"]
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "/opt/hookbus/healthcheck.py"]
    assert config["Labels"]["org.opencontainers.image.version"] == VERSION
    assert set(config["ExposedPorts"]) == {"8080/tcp", "9464/tcp", "9465/tcp", "9466/tcp", "9467/tcp"}


async def test_an_event_passes_through_the_programs_and_the_console_with_a_read_only_root(image, srv, tmp_path):
    valkey = users.guarded(tmp_path / "valkey", port=free_port()).start()
    port, ops = free_port(), free_port()
    environ = {
        "OPENAI_WEBHOOK_SECRET": SECRET,
        "HOOKBUS_INGEST_LISTEN": f"127.0.0.1:{port}",
        "HOOKBUS_INGEST_OPS_LISTEN": f"127.0.0.1:{ops}",
        "HOOKBUS_INGEST_DRAIN_DELAY_S": "0",
        "HOOKBUS_WORKER_OPS_LISTEN": "127.0.0.1:0",
    }
    options = {"redis_url": valkey.url, "around": image.inside(srv), **environ}
    handlers = "myservice.handlers:billing"
    try:
        with (
            Program(f"{BIN}/hookbus-ingest", "serve", **options) as ingest,
            Program(f"{BIN}/hookbus-worker", "run", handlers, **options) as worker,
        ):
            await ingest.until_logged("redis_healthy")
            await ingest.until_logged("listening")
            await worker.until_logged("working")
            answer = await post(f"http://127.0.0.1:{port}/webhooks/openai", "wh_1", event_body())
            assert answer == (200, "accepted")
            await until(lambda: any(re.search("charge for resp_1 .wh_1.", line) for line in worker.raw))
            with Program(f"{BIN}/hookbus-worker", "console", "--listen", "127.0.0.1:0", **options) as console:
                url = (await console.until_logged("serving"))["url"]
                async with aiohttp.ClientSession(url) as session, session.get("/processes") as page:
                    assert "/groups/billing" in await page.text()
                check = ("python", "/opt/hookbus/healthcheck.py", "1", str(urlsplit(url).port))
                assert (await asyncio.to_thread(run_in, image, srv, *check)).returncode == 0
                assert await console.end() == 0
            check = ("python", "/opt/hookbus/healthcheck.py", "1", str(ops))
            assert (await asyncio.to_thread(run_in, image, srv, *check)).returncode == 0
            assert await worker.end() == 0
            assert await ingest.end() == 0
            assert (await asyncio.to_thread(run_in, image, srv, *check)).returncode == 1
            assert ingest.tracebacks() == worker.tracebacks() == []
    finally:
        valkey.close()
