"""Secrets in files that every user may read: both checks tell of each setting that may refer to one."""

import shutil
import tempfile
import typing
from pathlib import Path

import pytest

from hookbus.ingest import check as ingest_check
from hookbus.ingest.settings import IngestSettings
from hookbus.ingest.settings import load_settings as load_ingest
from hookbus.shared import finding
from hookbus.shared.finding import Finding
from hookbus.shared.secret import Secret
from hookbus.shared.sources import Source
from hookbus.worker import check as worker_check
from hookbus.worker.settings import WorkerSettings
from hookbus.worker.settings import load_settings as load_worker
from tests.ingest.serving import SECRET

TOML = """
redis_url = "file:{0}/url"
[ingest.sources.openai]
path = "/webhooks/openai"
secrets = ["file:{0}/secret"]
[worker]
console_tokens = {{viewer = ["file:{0}/viewers"], operator = ["file:{0}/operators", "file:{0}/gone"]}}
console_send_url = "http://127.0.0.1:8080/webhooks/openai"
console_send_secret = "file:{0}/secret"
"""
OF = {"ingest": {"url", "secret"}, "worker": {"url", "viewers", "operators", "secret"}}


@pytest.fixture
def open_folder():
    """A folder that all users can read, like all its parents."""
    folder = Path(tempfile.mkdtemp(prefix="hookbus-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def settings_file(open_folder, redis_url):
    """Settings whose secrets are all in files of that folder."""
    texts = {"url": redis_url, "secret": SECRET, "viewers": "v" * 20, "operators": "o" * 20}
    for name, text in texts.items():
        (open_folder / name).write_text(text)
        (open_folder / name).chmod(0o644)
    file = open_folder / "hookbus.toml"
    file.write_text(TOML.format(open_folder))
    return file


async def told(program: str, file: Path) -> set[str]:
    """Names of the files that the check of a program finds exposed."""
    if program == "ingest":
        report, _ = await ingest_check.examine(load_ingest(file, {}))
    else:
        report, _ = await worker_check.examine(load_worker(file, {}), ())
    exposed = [found for found in report.findings if found.code == "secret_exposed"]
    return {Path(found.action.removeprefix("chmod o-r ")).name for found in exposed}


@pytest.mark.parametrize("program", OF)
async def test_a_check_tells_of_every_file_of_its_program(settings_file, program):
    assert await told(program, settings_file) == OF[program]
    for file in settings_file.parent.iterdir():
        file.chmod(0o640)
    assert await told(program, settings_file) == set()


def test_the_key_to_redis_is_a_secret_under_either_name():
    assert "file:/key" in WorkerSettings(redis_cert_file="/cert", redis_key_file="/key").secrets()
    assert "credential:both" in IngestSettings(redis_cert_file="credential:both").secrets()


@pytest.mark.parametrize("settings", [IngestSettings, WorkerSettings])
def test_no_setting_of_secrets_is_forgotten(settings):
    """A new setting that holds secrets fails here until `secrets` returns them."""
    given = {name: kind for name, kind in typing.get_type_hints(settings).items() if "Secret" in repr(kind)}
    values = {"console_tokens": {"viewer": (Secret("token"),)}, "console_send_secret": Secret("token")}
    assert given.keys() <= values.keys()
    assert all("token" in settings(**{name: values[name]}).secrets() for name in given)
    if settings is IngestSettings:
        sources = {"openai": Source(path="/x", secrets=(Secret("token"),))}
        assert "token" in settings(sources=sources).secrets()


@pytest.mark.parametrize(("mode", "count"), [(0o644, 1), (0o604, 1), (0o640, 0), (0o600, 0)])
def test_a_world_readable_file_is_exposed_and_told_of_once(open_folder, mode, count):
    file = open_folder / "secret"
    file.write_text("x")
    file.chmod(mode)
    others = [f"file:{open_folder}/missing", "plain", "", "credential:name"]
    expected = Finding(0, "secret_exposed", f"every user of this machine may read {file}", f"chmod o-r {file}")
    assert finding.exposed([f"file:{file}", f"file:{open_folder}", *others]) == [expected] * count


def test_a_world_readable_file_in_a_private_folder_is_not_exposed(open_folder):
    file = open_folder / "secret"
    file.write_text("x")
    file.chmod(0o644)
    open_folder.chmod(0o700)
    assert finding.exposed([f"file:{file}"]) == []


def test_a_folder_that_we_may_not_enter_exposes_nothing(monkeypatch):
    def refused(*_: object) -> list[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(finding.secret_refs, "files", refused)
    assert finding.exposed(["file:/root/secret"]) == []
