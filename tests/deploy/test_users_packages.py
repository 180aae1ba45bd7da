"""A user's distribution with packages `ingest`, `worker` and `shared` of its own, beside hookbus in one environment."""

import subprocess
import sys
from zipfile import ZipFile

import pytest

from tests.deploy.installed import environment, run
from tests.programs import BIN, Ingest, Program, event_body, post
from tests.wait import until

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "users"
version = "1"
[tool.hatch.build.targets.wheel]
packages = ["ingest", "worker", "shared"]
"""
FILES = {
    "pyproject.toml": PROJECT,
    "ingest/__init__.py": "",
    "shared/__init__.py": "",
    "shared/settings.py": 'PREFIX: str = "the user"\n',
    "worker/__init__.py": "",
    "worker/py.typed": "",
    "shared/py.typed": "",
    "worker/app.py": """
from hookbus import App, Delivery
from hookbus.events import ResponseCompleted
from shared.settings import PREFIX

app = App("billing")


@app.on("response.completed")
async def record(event: ResponseCompleted, delivery: Delivery) -> None:
    print(f"{PREFIX} handled {delivery.webhook_id} {event.data.id}\\n", end="", flush=True)
""",
}
USERS_TEST = """
import ingest, shared.settings, worker.app
from hookbus import App


def test_each_has_its_own() -> None:
    assert type(worker.app.app) is App
    assert shared.settings.PREFIX == "the user"
"""


@pytest.fixture
def beside(installed, tmp_path):
    """The interpreter of an environment that holds both, in whatever order they are installed: no file is of both."""
    project = tmp_path / "project"
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    run(BIN / "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist", cwd=project)
    [users] = (tmp_path / "dist").glob("*.whl")
    python = environment(tmp_path / "environment")
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "install", "-q")
    assert not set(ZipFile(installed.wheel).namelist()) & set(ZipFile(users).namelist())
    run(*pip, "--no-deps", "--no-index", installed.wheel, users, cwd=tmp_path)
    return python


@pytest.mark.timeout(180)  # the first test of a run builds the wheel
async def test_both_programs_run_beside_a_users_packages_of_the_folders_names(beside, redis_url, tmp_path):
    options = {"HOOKBUS_INGEST_DRAIN_DELAY_S": "0"}
    running = [str(beside.with_name("hookbus-worker")), "run", "worker.app:app", "--ops-listen", "127.0.0.1:0"]
    with (
        Ingest(redis_url, command=str(beside.with_name("hookbus-ingest")), cwd=tmp_path, **options) as ingest,
        Program(*running, redis_url=redis_url, cwd=tmp_path) as worker,
    ):
        await ingest.until_healthy()
        await worker.until_logged("working")
        assert await post(ingest.url, "wh_1", event_body(id="resp_7")) == (200, "accepted")
        await until(lambda: "the user handled wh_1 resp_7" in worker.raw)
        assert await worker.end() == 0
        assert await ingest.end() == 0


@pytest.mark.timeout(180)
def test_pytest_mypy_and_pyright_tell_the_packages_apart(beside, tmp_path):
    (tmp_path / "test_mine.py").write_text(USERS_TEST)
    run(beside, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path / "test_mine.py", cwd=tmp_path)
    checking = ("--strict", "--python-executable", beside, "--cache-dir", tmp_path / "cache")
    run(sys.executable, "-m", "mypy", *checking, "project/worker/app.py", "test_mine.py", cwd=tmp_path)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard", "extraPaths": ["project"]}')
    (tmp_path / "wrong.py").write_text('from hookbus import App\n\nApp("g").on("a", retries=3)\n')
    checked = ("project/worker/app.py", "test_mine.py", "wrong.py")
    pyright = [str(BIN / "basedpyright"), "--pythonpath", str(beside), *checked]
    done = subprocess.run(pyright, cwd=tmp_path, capture_output=True, text=True, check=False)
    [error, summary] = [line for line in done.stdout.splitlines() if " error" in line]
    assert "/wrong.py:3:" in error, "it sees the types of hookbus"
    assert summary.startswith("1 error, 0 warnings"), done.stdout
