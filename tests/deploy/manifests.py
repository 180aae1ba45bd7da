"""The objects that `kubectl kustomize` renders from deploy/kubernetes, and accessors for them."""

import base64
import functools
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.installed import run
from tests.programs import BIN, ROOT

FOLDER = ROOT / "deploy/kubernetes"
OVERLAYS = ("dev", "production")
HASH = "[0-9a-z]{10}"
Object = dict[str, Any]


def load(file: Path) -> list[Object]:
    """The objects of a file."""
    return list(yaml.safe_load_all(file.read_text()))


@functools.cache
def rendered(overlay: str, folder: Path = FOLDER) -> list[Object]:
    """All objects of an overlay."""
    return list(yaml.safe_load_all(run(BIN / "kubectl", "kustomize", folder / "overlays" / overlay)))


def copy(folder: Path) -> Path:
    """A copy of deploy/kubernetes, to be changed."""
    return Path(shutil.copytree(FOLDER, folder / "kubernetes"))


def with_component(name: str, folder: Path) -> list[Object]:
    """The production overlay of a copy with one more component, listed last."""
    file = folder / "overlays/production/kustomization.yaml"
    last = "  - ../../components/prometheus\n"
    assert last in file.read_text()
    file.write_text(file.read_text().replace(last, f"{last}  - ../../components/{name}\n"))
    return rendered("production", folder)


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    """The objects of some kinds."""
    return [found for found in objects if found["kind"] in kinds]


def named(objects: list[Object], kind: str, name: str) -> Object:
    """The object of a kind and name; names of generated ones end with a hash."""
    ending = f"(-{HASH})?" if kind in ("ConfigMap", "Secret") else ""
    [found] = [o for o in of_kind(objects, kind) if re.fullmatch(re.escape(name) + ending, o["metadata"]["name"])]
    return found


def workloads(objects: list[Object]) -> list[Object]:
    """The objects that create pods."""
    return of_kind(objects, "Deployment", "StatefulSet")


def component(workload: Object) -> str:
    """ingest, worker, exporter or console; "" for other programs."""
    return workload["spec"]["template"]["metadata"]["labels"].get("app.kubernetes.io/component", "")


def programs(objects: list[Object]) -> list[Object]:
    """The Deployments of hookbus."""
    return [found for found in workloads(objects) if component(found)]


def pod(workload: Object) -> Object:
    """Its pod's spec."""
    return workload["spec"]["template"]["spec"]


def pod_labels(workload: Object) -> Mapping[str, str]:
    """Its pod's labels."""
    return workload["spec"]["template"]["metadata"]["labels"]


def container(workload: Object) -> Object:
    """Its only container."""
    [found] = pod(workload)["containers"]
    return found


def port(workload: Object, name: str) -> int | None:
    """The number of a named port."""
    return next((p["containerPort"] for p in container(workload)["ports"] if p["name"] == name), None)


def probes(workload: Object) -> dict[str, Object]:
    """Name → probe, those by HTTP."""
    of = container(workload)
    found = {name: of[name] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    return {name: probe for name, probe in found.items() if "httpGet" in probe}


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches."""
    match_labels = selector.get("matchLabels", {} if "matchExpressions" in selector else selector)
    return all(labels.get(key) == value for key, value in match_labels.items()) and all(
        labels.get(rule["key"]) in rule["values"] for rule in selector.get("matchExpressions", ()) if _is_in(rule)
    )


def _is_in(rule: Object) -> bool:
    assert rule["operator"] == "In", "the only operator that is understood here"
    return True


def files(objects: list[Object], volume: Object) -> dict[str, str]:
    """File → text of a volume made from a ConfigMap or a Secret."""
    if "configMap" in volume:
        return dict(named(objects, "ConfigMap", volume["configMap"]["name"])["data"])
    secret = named(objects, "Secret", volume["secret"]["secretName"])
    plain = {name: base64.b64decode(text).decode() for name, text in secret.get("data", {}).items()}
    return plain | secret.get("stringData", {})


def mounts(workload: Object) -> Iterator[tuple[Object, Object]]:
    """Each mount with its volume."""
    volumes = {volume["name"]: volume for volume in pod(workload).get("volumes", ())}
    for mount in container(workload)["volumeMounts"]:
        if mount["name"] in volumes:
            yield mount, volumes[mount["name"]]


def settings_file(objects: list[Object]) -> str:
    """hookbus.toml as the pods see it."""
    [found] = [o for o in of_kind(objects, "ConfigMap") if "hookbus.toml" in o["data"]]
    text: str = found["data"]["hookbus.toml"]
    return text
