"""The first page of the guide, walked: its files in an empty folder, its commands beside the wheel."""

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests import pages
from tests.deploy.installed import Installed, environment, run
from tests.programs import Program, free_port
from tests.wait import until

NAMED = re.compile(r"# (\S+\.(?:py|toml))\n")


def commands() -> dict[str, list[str]]:
    """The lines of the page for a terminal, by what they begin with."""
    lines = re.findall(r"^    (.+)$", pages.section(pages.GUIDE, "A first service"), re.MULTILINE)
    found = [shlex.split(line.removesuffix(" &")) for line in lines if "=" not in line.partition(" ")[0]]
    return {" ".join(words[:2]): words for words in found}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page, in a folder."""
    folder = tmp_path_factory.mktemp("first") / "service"
    for language in ("toml", "python"):
        for block in pages.blocks(pages.GUIDE, language):
            if named := NAMED.match(block):
                file = folder / named[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block)
    return folder


@pytest.fixture(scope="module")
def python(installed: Installed, service: Path) -> Path:
    """The interpreter of an environment with the wheel and the service, as `pip install --editable` makes it."""
    found = environment(service / ".venv")
    pip = (sys.executable, "-m", "pip", "--python", found, "--disable-pip-version-check", "install", "-q", "--no-deps")
    run(*pip, "--no-index", installed.wheel, cwd=service)
    [_, _, option, folder] = commands()["pip install"]
    run(*pip, "--no-index", "--no-build-isolation", option, folder.partition("[")[0], cwd=service)
    return found


@pytest.mark.timeout(240)  # the first test of a run builds the wheel
def test_the_services_of_the_page_pass_their_tests(python, service):
    tests = sum(file.read_text().count("def test_") for file in (service / "tests").iterdir())
    clean = {name: "" for name in os.environ if name.startswith("PYTEST")}
    done = run(python, "-m", *commands()["pytest"], "-p", "no:cacheprovider", "-p", "no:xdist", cwd=service, **clean)
    assert f"{tests} passed" in done


@pytest.mark.timeout(240)
def test_the_services_of_the_page_are_strictly_typed(python, service):
    run(python, "-m", *commands()["mypy --strict"], cwd=service)


@pytest.mark.timeout(240)
async def test_the_commands_of_the_page_handle_an_event(python, service, redis_url):
    environ = {
        "OPENAI_WEBHOOK_SECRET": re.findall(r"export OPENAI_WEBHOOK_SECRET=(\S+)", pages.GUIDE.read_text())[0],
        "HOOKBUS_INGEST_LISTEN": f"127.0.0.1:{free_port()}",
        "HOOKBUS_INGEST_DRAIN_DELAY_S": "0",
        "HOOKBUS_WORKER_OPS_LISTEN": "127.0.0.1:0",
    }

    def start(line: str) -> Program:
        program, *arguments = commands()[line]
        return Program(str(python.with_name(program)), *arguments, redis_url=redis_url, cwd=service, **environ)

    with start("hookbus-ingest serve") as ingest, start("hookbus-worker run") as worker:
        await ingest.until_logged("redis_healthy")
        await ingest.until_logged("listening")
        await worker.until_logged("working")
        with start("hookbus-ingest send") as send:
            assert await asyncio.to_thread(send.process.wait, 30) == 0, send.raw
        await until(lambda: any("resp_abc123 is done; attempt 1 of wh_" in line for line in worker.raw))
        assert await worker.end() == 0
        assert await ingest.end() == 0
