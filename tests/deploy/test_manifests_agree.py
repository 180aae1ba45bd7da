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
from hookbus.worker.settings import WorkerSettings
from hookbus.worker.settings import load_settings as worker_settings
from hookbus.worker.supervise import STOP_S, STUCK_MARGIN_S
from tests.deploy import manifests
from tests.deploy.installed import run
from tests.deploy.manifests import FOLDER, OVERLAYS, component, container, of_kind, pod, programs, rendered
from tests.deploy.pods import ground
from tests.programs import BIN, ROOT

every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)

SCALERS = ("ScaledObject", "HorizontalPodAutoscaler")
KUBECTL = BIN / "kubectl"
SPARE_S = 4
"""A pod's last seconds: the interpreter's end, and a busy node."""


def secrets_of(overlay: str) -> list[manifests.Object]:
    """All objects, with the placeholders where an overlay leaves the Secrets to others."""
    if overlay == "dev":
        return rendered(overlay)
    return [*rendered(overlay), *manifests.load(FOLDER / "overlays/production/secrets.example.yaml")]


@pytest.fixture
def told(tmp_path):
    """The settings that the pods of the dev overlay have."""
    home = ground(rendered("dev"), programs(rendered("dev")), tmp_path)
    return ingest_settings(home / "srv/hookbus.toml", {}), worker_settings(home / "srv/hookbus.toml", {})


def test_all_overlays_have_the_same_settings():
    assert len({manifests.settings_file(rendered(overlay)) for overlay in OVERLAYS}) == 1


@every_overlay
def test_the_ports_are_those_that_the_programs_listen_on_and_their_defaults(overlay, told):
    ingest, worker = told
    listening = {
        "ingest": {"http": ingest.listen[0], "ops": ingest.ops_listen},
        "worker": {"ops": worker.ops_listen},
        "exporter": {"ops": worker.exporter_listen},
    }
    usual = {
        "ingest": {"http": IngestSettings().listen[0], "ops": IngestSettings().ops_listen},
        "worker": {"ops": WorkerSettings().ops_listen},
        "exporter": {"ops": WorkerSettings().exporter_listen},
    }
    for program in programs(rendered(overlay)):
        ports = {port["name"]: port["containerPort"] for port in container(program)["ports"]}
        heard = listening[component(program)]
        assert ports == {name: listen.port for name, listen in heard.items()}
        assert ports == {name: listen.port for name, listen in usual[component(program)].items()}
        assert {listen.host for listen in heard.values()} == {"0.0.0.0"}, "loopback hears neither probes nor requests"


@every_overlay
def test_liveness_asks_for_the_loop_alone_and_readiness_for_the_program(overlay):
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
def test_a_pod_has_more_time_to_end_than_its_program_takes(overlay, told):
    ingest, worker = told
    takes = {
        "ingest": ingest.drain_delay_s + FINISH_S,
        "worker": worker.grace_period_s + STOP_S,
        "exporter": 0,
    }
    for program in programs(rendered(overlay)):
        before = container(program).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pod(program)["terminationGracePeriodSeconds"] >= before + takes[component(program)] + SPARE_S
        assert (before > 0) == (component(program) == "ingest"), "only who is called needs to be forgotten first"


@every_overlay
def test_no_worker_is_killed_for_a_handler_that_blocks_as_long_as_it_may(overlay, told):
    _, worker = told
    for program in programs(rendered(overlay)):
        probe = container(program)["livenessProbe"]
        patience_s = probe["periodSeconds"] * probe["failureThreshold"]
        assert patience_s > (worker.handler_timeout_s + STUCK_MARGIN_S if component(program) == "worker" else 15)


@every_overlay
def test_what_the_settings_read_is_mounted_as_a_folder_that_is_swapped_when_it_changes(overlay):
    settings = tomllib.loads(manifests.settings_file(rendered(overlay)))
    sources = settings["ingest"]["sources"].values()
    references = [reference for source in sources for reference in source["secrets"]]
    for program in programs(rendered(overlay)):
        needed = [settings["redis_url"], *(references if component(program) == "ingest" else ())]
        folders = {
            mount["mountPath"]: manifests.files(secrets_of(overlay), volume)
            for mount, volume in manifests.mounts(program)
            if "secret" in volume and "subPath" not in mount
        }
        for reference in needed:
            path = reference.removeprefix("file:")
            assert path in folders or path.rpartition("/")[2] in folders[path.rpartition("/")[0]]
        assert len(folders) == len(needed), "nobody has a secret that it does not need"


def test_placeholders_that_nobody_replaced_are_refused(tmp_path):
    home = ground(secrets_of("production"), programs(rendered("production")), tmp_path)
    with pytest.raises(ConfigError, match=r"ingest\.sources\.openai\.secrets.*not valid base64"):
        ingest_settings(home / "srv/hookbus.toml", {})


def test_the_images_have_the_version_of_the_project_and_the_readmes_say_so():
    images = [container(program)["image"] for overlay in OVERLAYS for program in programs(rendered(overlay))]
    texts = [*images, *(file.read_text() for file in (ROOT / "deploy/README.md", *ROOT.glob("deploy/*/README.md")))]
    named = re.findall(r"\bhookbus:(\d[\w.]*)", "\n".join(texts))
    assert named
    assert set(named) == {release.VERSION}


def test_the_commands_of_the_readme_make_the_secrets_that_the_pods_mount():
    commands = re.findall(r"^kubectl (-n hookbus create secret .*)$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    made = [
        yaml.safe_load(run(KUBECTL, *shlex.split(command), "--dry-run=client", "-o", "yaml")) for command in commands
    ]
    shown = manifests.load(FOLDER / "overlays/production/secrets.example.yaml")
    assert [described(secret) for secret in made] == [described(secret) for secret in shown]
    mounted = {name for program in programs(rendered("production")) for name in secret_names(program)}
    assert mounted == {secret["metadata"]["name"] for secret in made}


def described(secret: manifests.Object) -> tuple[str, str, set[str]]:
    """What has to be the same, whatever is in it."""
    return secret["metadata"]["namespace"], secret["metadata"]["name"], {*secret.get("data", secret.get("stringData"))}


def secret_names(program: manifests.Object) -> list[str]:
    """Of the Secrets that its pods mount."""
    return [volume["secret"]["secretName"] for _, volume in manifests.mounts(program) if "secret" in volume]


@pytest.mark.parametrize("door", ["Ingress", "HTTPRoute"])
def test_the_public_door_leads_to_every_source_and_to_nothing_else(door, with_gateway, told):
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
    assert all(source.path.startswith(f"{prefix}/") for source in told[0].sources.values())


def test_what_scales_is_there_and_nobody_scales_it_twice():
    objects = rendered("production")
    scaled = [found["spec"]["scaleTargetRef"]["name"] for found in of_kind(objects, *SCALERS)]
    free = [found["metadata"]["name"] for found in programs(objects) if "replicas" not in found["spec"]]
    assert sorted(scaled) == sorted(free)
    for found in of_kind(objects, "ScaledObject"):
        assert found["spec"]["minReplicaCount"] == 1
        assert found["metadata"]["name"] == found["spec"]["scaleTargetRef"]["name"]


def test_workers_scale_by_the_group_that_they_run_and_not_for_handlers_that_are_merely_slow(told):
    objects = rendered("production")
    for found in of_kind(objects, "ScaledObject"):
        worker = manifests.named(objects, "Deployment", found["spec"]["scaleTargetRef"]["name"])
        app = worker["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/instance"]
        assert container(worker)["args"] == [f"myservice.handlers:{app}"]
        for trigger in found["spec"]["triggers"]:
            query = trigger["metadata"]["query"]
            assert set(re.findall(r'group="(\w+)"', query)) == {app}
            if "age_seconds" in query:
                assert float(trigger["metadata"]["threshold"]) > told[1].handler_timeout_s


def test_prometheus_finds_the_port_of_every_program():
    objects = rendered("production")
    [monitor] = of_kind(objects, "ServiceMonitor")
    [service] = [s for s in of_kind(objects, "Service") if selected_by(monitor, s)]
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["path"] == "/metrics"
    chosen = [p for p in programs(objects) if manifests.selects(service["spec"]["selector"], manifests.pod_labels(p))]
    assert chosen == programs(objects)


def selected_by(monitor: manifests.Object, service: manifests.Object) -> bool:
    """Whether a ServiceMonitor looks at a Service."""
    return manifests.selects(monitor["spec"]["selector"], service["metadata"].get("labels", {}))
