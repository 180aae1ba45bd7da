"""deploy/kubernetes agrees with the programs: a port, path, time or name that changes on one side fails here."""

import re
import shlex
import tomllib

import pytest
import yaml

from hookbus.ingest.app import FINISH_S
from hookbus.ingest.settings import IngestSettings
from hookbus.ingest.settings import load_settings as ingest_settings
from hookbus.shared import release
from hookbus.shared.settings import ConfigError
from hookbus.worker.console.keyring import Keyring
from hookbus.worker.consumer import STUCK_MARGIN_S
from hookbus.worker.settings import WorkerSettings
from hookbus.worker.settings import load_settings as worker_settings
from hookbus.worker.shutdown import STOP_S
from tests.deploy import manifests
from tests.deploy.installed import run
from tests.deploy.manifests import FOLDER, OVERLAYS, component, container, of_kind, pod, programs, rendered
from tests.deploy.pods import mount_files
from tests.programs import BIN, ROOT

every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)

SCALERS = ("ScaledObject", "HorizontalPodAutoscaler")
KUBECTL = BIN / "kubectl"
SPARE_S = 4
"""Seconds for the exit of the interpreter on a busy node."""


def secrets_of(overlay: str) -> list[manifests.Object]:
    """All objects, with the placeholders of Secrets where an overlay has none."""
    if overlay == "dev":
        return rendered(overlay)
    return [*rendered(overlay), *manifests.load(FOLDER / "overlays/production/secrets.example.yaml")]


@pytest.fixture
def settings_of_pods(tmp_path):
    """The settings of ingest and worker in the pods of the dev overlay."""
    root = mount_files(rendered("dev"), programs(rendered("dev")), tmp_path)
    return ingest_settings(root / "srv/hookbus.toml", {}), worker_settings(root / "srv/hookbus.toml", {})


def test_all_overlays_have_the_same_settings():
    assert len({manifests.settings_file(rendered(overlay)) for overlay in OVERLAYS}) == 1


@every_overlay
def test_the_ports_are_those_that_the_programs_listen_on_and_their_defaults(overlay, settings_of_pods):
    ingest, worker = settings_of_pods
    listening = {
        "ingest": {"http": ingest.listen[0], "ops": ingest.ops_listen},
        "worker": {"ops": worker.ops_listen},
        "exporter": {"ops": worker.exporter_listen},
        "console": {"ops": worker.console_listen},
    }
    defaults = {
        "ingest": {"http": IngestSettings().listen[0], "ops": IngestSettings().ops_listen},
        "worker": {"ops": WorkerSettings().ops_listen},
        "exporter": {"ops": WorkerSettings().exporter_listen},
        "console": {"ops": WorkerSettings().console_listen},
    }
    for program in programs(rendered(overlay)):
        ports = {port["name"]: port["containerPort"] for port in container(program)["ports"]}
        listens = listening[component(program)]
        assert ports == {name: listen.port for name, listen in listens.items()}
        assert ports == {name: listen.port for name, listen in defaults[component(program)].items()}
        assert {listen.host for listen in listens.values()} == {"0.0.0.0"}, "probes and requests do not reach loopback"


@every_overlay
def test_liveness_probes_healthz_and_readiness_probes_readyz(overlay):
    for program in programs(rendered(overlay)):
        assert {name: (probe["httpGet"]["path"], probe["httpGet"]["port"]) for name, probe in probes(program)} == {
            "startupProbe": ("/healthz", "ops"),
            "livenessProbe": ("/healthz", "ops"),
            "readinessProbe": ("/readyz", "ops"),
        }


def probes(program: manifests.Object):
    """Name and probe."""
    return manifests.probes(program).items()


@every_overlay
def test_a_pod_has_a_longer_grace_period_than_its_program_needs(overlay, settings_of_pods):
    ingest, worker = settings_of_pods
    takes = {
        "ingest": ingest.drain_delay_s + FINISH_S,
        "worker": worker.grace_period_s + STOP_S,
        "exporter": 0,
        "console": 2,
    }
    for program in programs(rendered(overlay)):
        before = container(program).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pod(program)["terminationGracePeriodSeconds"] >= before + takes[component(program)] + SPARE_S
        assert (before > 0) == (component(program) == "ingest"), "only ingest has to leave the endpoints first"


@every_overlay
def test_no_worker_is_killed_for_a_handler_that_blocks_up_to_its_timeout(overlay, settings_of_pods):
    _, worker = settings_of_pods
    for program in programs(rendered(overlay)):
        probe = container(program)["livenessProbe"]
        patience_s = probe["periodSeconds"] * probe["failureThreshold"]
        assert patience_s > (worker.handler_timeout_s + STUCK_MARGIN_S if component(program) == "worker" else 15)


@every_overlay
def test_each_secret_of_the_settings_is_mounted_as_a_folder_and_no_other_is(overlay):
    settings = tomllib.loads(manifests.settings_file(rendered(overlay)))
    sources = settings["ingest"]["sources"].values()
    references = {
        "ingest": [reference for source in sources for reference in source["secrets"]],
        "console": [token for tokens in settings["worker"]["console_tokens"].values() for token in tokens],
    }
    for program in programs(rendered(overlay)):
        needed = [settings["redis_url"], *references.get(component(program), ())]
        folders = {
            mount["mountPath"]: manifests.files(secrets_of(overlay), volume)
            for mount, volume in manifests.mounts(program)
            if "secret" in volume and "subPath" not in mount
        }
        used = set()
        for reference in needed:
            path = reference.removeprefix("file:")
            folder, _, file = path.rpartition("/")
            assert path in folders or file in folders[folder]
            used.add(path if path in folders else folder)
        assert used == folders.keys(), "no program has a secret that it does not need"


@every_overlay
def test_the_console_has_a_redis_user_of_its_own(overlay):
    secrets = {
        component(program): volume["secret"]["secretName"].partition("-redis")[0]
        for program in programs(rendered(overlay))
        for mount, volume in manifests.mounts(program)
        if mount["mountPath"] == "/etc/hookbus/redis"
    }
    console = secrets.pop("console")
    assert (console, set(secrets.values())) == ("hookbus-console", {"hookbus"})


def test_placeholders_of_secrets_are_refused(tmp_path):
    root = mount_files(secrets_of("production"), programs(rendered("production")), tmp_path)
    with pytest.raises(ConfigError, match=r"ingest\.sources\.openai\.secrets.*not valid base64"):
        ingest_settings(root / "srv/hookbus.toml", {})
    with pytest.raises(ConfigError, match="shorter than 20 characters") as refused:
        Keyring(worker_settings(root / "srv/hookbus.toml", {}).console_tokens)
    assert len(refused.value.problems) == 2


def test_images_and_readmes_name_the_version_of_the_project():
    images = [container(program)["image"] for overlay in OVERLAYS for program in programs(rendered(overlay))]
    texts = [*images, *(file.read_text() for file in (ROOT / "deploy/README.md", *ROOT.glob("deploy/*/README.md")))]
    named = re.findall(r"\bhookbus:(\d[\w.]*)", "\n".join(texts))
    assert named
    assert set(named) == {release.VERSION}


def test_the_commands_of_the_readme_make_the_secrets_that_the_pods_mount():
    commands = re.findall(r"^kubectl (-n hookbus create secret .*)$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    secrets = [
        yaml.safe_load(run(KUBECTL, *shlex.split(command), "--dry-run=client", "-o", "yaml")) for command in commands
    ]
    examples = manifests.load(FOLDER / "overlays/production/secrets.example.yaml")
    assert [described(secret) for secret in secrets] == [described(secret) for secret in examples]
    mounted = {name for program in programs(rendered("production")) for name in secret_names(program)}
    assert mounted == {secret["metadata"]["name"] for secret in secrets}


def described(secret: manifests.Object) -> tuple[str, str, set[str]]:
    """Namespace, name and keys of a Secret, without its values."""
    return secret["metadata"]["namespace"], secret["metadata"]["name"], {*secret.get("data", secret.get("stringData"))}


def secret_names(program: manifests.Object) -> list[str]:
    """Names of the Secrets that its pods mount."""
    return [volume["secret"]["secretName"] for _, volume in manifests.mounts(program) if "secret" in volume]


@pytest.mark.parametrize("door", ["Ingress", "HTTPRoute"])
def test_the_public_route_covers_every_source(door, with_gateway, settings_of_pods):
    [found] = of_kind([*rendered("production"), *with_gateway], door)
    rule = found["spec"]["rules"][0]
    if door == "Ingress":
        [path] = rule["http"]["paths"]
        prefix, service = path["path"], path["backend"]["service"]
        assert service == {"name": "hookbus-ingest", "port": {"name": "http"}}
    else:
        prefix, service = rule["matches"][0]["path"]["value"], rule["backendRefs"][0]
        [port] = manifests.named(with_gateway, "Service", "hookbus-ingest")["spec"]["ports"]
        assert service == {"name": "hookbus-ingest", "port": port["port"]}
        assert port["name"] == "http"
    assert all(source.path.startswith(f"{prefix}/") for source in settings_of_pods[0].sources.values())


def test_every_scaled_deployment_exists_and_has_one_scaler_and_no_replicas():
    objects = rendered("production")
    scaled = [found["spec"]["scaleTargetRef"]["name"] for found in of_kind(objects, *SCALERS)]
    free = [found["metadata"]["name"] for found in programs(objects) if "replicas" not in found["spec"]]
    assert sorted(scaled) == sorted(free)
    for found in of_kind(objects, "ScaledObject"):
        assert found["spec"]["minReplicaCount"] == 1
        assert found["metadata"]["name"] == found["spec"]["scaleTargetRef"]["name"]


def test_workers_scale_by_their_own_group_and_not_for_slow_handlers(settings_of_pods):
    objects = rendered("production")
    for found in of_kind(objects, "ScaledObject"):
        worker = manifests.named(objects, "Deployment", found["spec"]["scaleTargetRef"]["name"])
        app = worker["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/instance"]
        assert container(worker)["args"] == [f"myservice.handlers:{app}"]
        for trigger in found["spec"]["triggers"]:
            query = trigger["metadata"]["query"]
            assert set(re.findall(r'group="(\w+)"', query)) == {app}
            if "age_seconds" in query:
                assert float(trigger["metadata"]["threshold"]) > settings_of_pods[1].handler_timeout_s


def test_prometheus_scrapes_the_port_of_every_program():
    objects = rendered("production")
    [monitor] = of_kind(objects, "ServiceMonitor")
    [service] = [s for s in of_kind(objects, "Service") if selected_by(monitor, s)]
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["path"] == "/metrics"
    chosen = [p for p in programs(objects) if manifests.selects(service["spec"]["selector"], manifests.pod_labels(p))]
    assert chosen == programs(objects)


def selected_by(monitor: manifests.Object, service: manifests.Object) -> bool:
    """Whether a ServiceMonitor selects a Service."""
    return manifests.selects(monitor["spec"]["selector"], service["metadata"].get("labels", {}))
