"""The units: valid, sandboxed, and in agreement with the programs. `make test-systemd` runs them under systemd."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from hookbus.ingest import app
from hookbus.ingest.settings import IngestSettings
from hookbus.ingest.settings import load_settings as load_ingest
from hookbus.shared import descriptors, systemd
from hookbus.worker import shutdown
from hookbus.worker.settings import WorkerSettings
from hookbus.worker.settings import load_settings as load_worker
from tests.programs import BIN, ROOT

FOLDER = ROOT / "deploy/systemd"
SERVICES = ("hookbus-ingest.service", "hookbus-worker@.service", "hookbus-exporter.service", "hookbus-console.service")
UNITS = (*SERVICES, "hookbus-ingest.socket", "hookbus.target")
SCRIPT = (FOLDER / "install.sh").read_text()
MAX_EXPOSED = 1.5


class Unit(dict[str, list[str]]):
    """The settings of a service, each with all its values."""

    def __init__(self, name: str) -> None:
        super().__init__()
        for line in (FOLDER / name).read_text().splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                self.setdefault(key, []).append(value)

    def seconds(self, key: str) -> float:
        [value] = self[key]
        return float(value.removesuffix("s"))


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.needs("systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    for name in UNITS:
        text = (FOLDER / name).read_text()
        assert name not in SERVICES or "/opt/hookbus/bin" in text
        (tmp_path / name).write_text(text.replace("/opt/hookbus/bin", str(BIN)))
    done = analyze("verify", "--man=no", *(tmp_path / name for name in UNITS))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("name", SERVICES)
def test_the_exposure_of_a_service_is_within_the_bound(name):
    done = analyze("security", "--offline=true", "--no-pager", FOLDER / name)
    exposure = float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)[1])
    assert exposure <= MAX_EXPOSED, done.stdout


def test_stop_timeouts_are_longer_than_the_programs_need():
    ingest, worker = Unit(SERVICES[0]), Unit(SERVICES[1])
    assert ingest.seconds("TimeoutStopSec") > IngestSettings().drain_delay_s + app.FINISH_S + 5
    assert worker.seconds("TimeoutStopSec") > WorkerSettings().grace_period_s + shutdown.STOP_S


@pytest.mark.parametrize("name", SERVICES)
def test_watchdog_signals_and_extensions_arrive_in_time(name):
    unit = Unit(name)
    assert unit["Type"] == ["notify"]
    assert unit.seconds("WatchdogSec") > 2 * systemd.BEATS * systemd.BEAT_S
    assert unit.seconds("TimeoutStartSec") >= systemd.EXTENSION_S


def test_each_connection_has_a_descriptor():
    [limit] = Unit(SERVICES[0])["LimitNOFILE"]
    assert int(limit) >= IngestSettings().max_connections + descriptors.RESERVED


def test_the_socket_unit_listens_where_the_program_would():
    assert Unit("hookbus-ingest.socket")["ListenStream"] == [str(listen) for listen in IngestSettings().listen]
    assert Unit("hookbus-ingest.socket")["FileDescriptorName"] != [app.OPS_NAME]


def test_the_port_closes_with_the_target_and_stays_open_while_it_restarts():
    socket = Unit("hookbus-ingest.socket")
    assert (socket["StopPropagatedFrom"], socket.get("PartOf")) == (["hookbus.target"], None)
    for name in SERVICES:
        assert Unit(name)["PartOf"] == ["hookbus.target"]


def test_the_example_configuration_is_valid(tmp_path, monkeypatch):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "first").write_text("whsec_" + "QUJD" * 8)
    (tmp_path / "redis_url").write_text("redis://elsewhere:1/0\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    text = (FOLDER / "hookbus.toml").read_text()
    assert "file:/etc/hookbus/secrets/openai" in text
    file = tmp_path / "hookbus.toml"
    file.write_text(text.replace("/etc/hookbus/secrets/openai", str(secrets)))
    environ = configparser.ConfigParser(interpolation=None)
    environ.optionxform = str
    environ.read_string("[env]\n" + re.sub(r"^#(?=[A-Z])", "", (FOLDER / "worker.env").read_text(), flags=re.MULTILINE))
    assert {"APPS", "OPTIONS"} < set(environ["env"])
    ingest, worker = load_ingest(file, {}), load_worker(file, environ["env"])
    assert ingest.redis_url == worker.redis_url == "redis://elsewhere:1/0"
    taken = (ingest.ops_listen, worker.exporter_listen, worker.console_listen, WorkerSettings().ops_listen)
    assert worker.ops_listen not in taken


@pytest.mark.parametrize("name", SERVICES)
def test_the_install_script_creates_every_path_that_a_unit_names(name):
    unit = Unit(name)
    script = SCRIPT.replace("$config", "/etc/hookbus").replace("$home", "/opt/hookbus")
    credential = unit["LoadCredential"][0].partition(":")[2]
    program, _, option, config = unit["ExecStart"][0].split()[:4]
    assert option == "--config"
    for path in (credential, program.replace("-worker", "-ingest"), config, *unit.get("WorkingDirectory", [])):
        assert path in script
    [user] = Unit(name)["User"]
    assert f"u {user} " in (FOLDER / "sysusers.conf").read_text()


def test_the_secrets_of_the_console_are_credentials_that_may_be_missing():
    """Without the default of SetCredential= systemd would not start the unit before both files exist."""
    console, readme = Unit("hookbus-console.service"), (FOLDER / "README.md").read_text()
    passed = dict(each.split(":") for each in console["LoadCredential"])
    settings = "\n".join(re.findall(r"^console_.* = .*$", readme, re.MULTILINE))
    named = re.findall(r'"credential:(\w+)"', settings)
    assert sorted(named) == ["console_operators", "console_send", "console_viewers"]
    assert console["SetCredential"] == [rf"{name}:\n" for name in passed if name != "redis_url"]
    assert {f"/etc/hookbus/credentials/{name}" for name in named} < set(passed.values())
    assert all(f"/etc/hookbus/credentials/{name}" in readme for name in named)


def test_all_files_are_installed_and_all_units_removed():
    install, uninstall = SCRIPT.split("uninstall()")
    for name in UNITS:
        assert name in install
        assert f"$units/{name}" in uninstall
    for name in ("hookbus.toml", "worker.env", "sysusers.conf"):
        assert f'"$here/{name}"' in install


@pytest.mark.parametrize(
    ("arguments", "code", "output"),
    [
        (("--help",), 0, "usage: install.sh"),
        (("--frob",), 1, "unknown option --frob"),
        (("a-1.whl", "a-2.whl"), 1, "more than one WHEEL"),
    ],
)
def test_the_install_script_prints_its_usage(arguments, code, output):
    done = subprocess.run([FOLDER / "install.sh", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert output in done.stdout + done.stderr
