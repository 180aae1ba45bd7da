import re
import zipfile
from pathlib import Path

import aiohttp
import pytest

from hookbus.shared import keys
from tests.deploy.installed import Installed, run
from tests.programs import BIN, ROOT, SECRET, Ingest, Program, event_body, post
from tests.wait import until
from tests.worker.dead_letters import create_groups

pytestmark = pytest.mark.timeout(180)  # the first test of a run builds the environment


def serve(installed: Installed, redis_url: str, cwd: Path) -> Ingest:
    """The installed hookbus-ingest."""
    script = installed.script("hookbus-ingest")
    return Ingest(redis_url, command=script, cwd=cwd, HOOKBUS_INGEST_DRAIN_DELAY_S="0")


async def test_the_wheel_runs_the_handlers_of_another_project(installed, redis_url, tmp_path):
    worker = [installed.script("hookbus-worker"), "run", "shop.handlers:billing"]
    with serve(installed, redis_url, tmp_path) as ingest:
        await ingest.until_healthy()
        ops = {"HOOKBUS_WORKER_OPS_LISTEN": "127.0.0.1:0"}
        with Program(*worker, redis_url=redis_url, cwd=tmp_path, **ops) as working:
            await working.until_logged("working")
            assert await post(ingest.url, "wh_1", event_body(id="resp_7")) == (200, "accepted")
            await until(lambda: "handled wh_1 resp_7" in working.raw)
            assert await working.end() == 0
        assert await ingest.end() == 0
    code = "from hookbus import ingest, shared, worker; print(ingest.__file__, shared.__file__, worker.__file__)"
    files = run(installed.venv / "bin/python", "-c", code, cwd=tmp_path).split()
    assert all(str(installed.venv) in file for file in files), "the checkout must not be imported"


async def test_the_wheel_serves_the_console_with_its_templates_and_static_files(installed, client, redis_url, tmp_path):
    await create_groups(client, "billing")
    options = ["--listen", "127.0.0.1:0"]
    command = [installed.script("hookbus-worker"), "console", *options]
    with Program(*command, redis_url=redis_url, cwd=tmp_path) as console:
        url = (await console.until_logged("serving"))["url"]
        async with aiohttp.ClientSession(url) as session:
            async with session.get("/") as response:
                page = await response.text()
            assert "Groups × event types" in page
            for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
                async with session.get(path) as response:
                    assert (response.status, bool(await response.read())) == (200, True)
        assert await console.end() == 0


@pytest.mark.parametrize("command", [("hookbus-ingest", "serve"), ("hookbus-worker", "run", "shop.handlers")])
async def test_data_of_a_newer_release_are_refused(installed, client, redis_url, tmp_path, command):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT + 1, "shards", 1)
    environ = {"OPENAI_WEBHOOK_SECRET": SECRET, "HOOKBUS_INGEST_LISTEN": "127.0.0.1:0"}
    name, *args = command
    with Program(installed.script(name), *args, redis_url=redis_url, cwd=tmp_path, **environ) as program:
        refusal = f"data layout {keys.LAYOUT + 1} there, this release supports {keys.LAYOUT}"
        await until(lambda: any(refusal in line for line in program.raw))
        assert await program.end(0) == 78
    assert await client.execute_command("KEYS", "*") == [keys.META.encode()], "nothing was written"


def test_the_sdist_builds_the_same_wheel(installed, tmp_path):
    [sdist] = installed.dist.glob("*.tar.gz")
    run("tar", "-xf", sdist, "-C", tmp_path)
    [source] = tmp_path.iterdir()
    run(BIN / "hatchling", "build", "-t", "wheel", "-d", tmp_path / "again", cwd=source)
    assert contents((tmp_path / "again") / installed.wheel.name) == contents(installed.wheel)


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(installed):
    names = {name for name in contents(installed.wheel) if ".dist-info/" not in name}
    folders = [ROOT / "hookbus", *(ROOT / "hookbus" / name for name in ("ingest", "worker", "shared"))]
    files = [file for folder in folders for file in folder.rglob("*")]
    code = [file for file in files if file.is_file() and file.suffix != ".md" and "__pycache__" not in file.parts]
    tree = {str(file.relative_to(ROOT)) for file in code}
    assert names == tree
    for ending in (".lua", ".html", ".css", ".js"):
        assert any(name.endswith(ending) for name in names), ending


def contents(wheel: Path) -> dict[str, bytes]:
    """File → bytes."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
