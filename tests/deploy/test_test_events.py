"""The component of Kubernetes with which operators send test events, added as deploy/OPERATIONS.md says: its settings,
its Secret and its way agree with the source of ingest."""

import itertools
import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from hookbus.ingest.settings import load_settings as load_ingest
from hookbus.shared.secret import key_bytes
from hookbus.shared.sources import secrets_of
from hookbus.worker.console.sending import sending
from hookbus.worker.settings import load_settings as load_worker
from tests import pages
from tests.deploy import manifests
from tests.deploy.installed import run
from tests.deploy.manifests import FOLDER, Object, container, named, of_kind
from tests.deploy.network import Peer, may
from tests.deploy.pods import mount_files
from tests.programs import BIN

COMMENTED = re.compile(r"^# (?=\[ingest\.sources\.test\]|path = |secrets = )", re.MULTILINE)


@pytest.fixture(scope="module")
def objects(tmp_path_factory) -> list[Object]:
    folder = manifests.copy(tmp_path_factory.mktemp("test-events"))
    file = folder / "base/hookbus.toml"
    text, count = COMMENTED.subn("", file.read_text())
    assert count == 3
    file.write_text(text)
    return manifests.with_component("test-events", folder)


def deployment(objects: list[Object], program: str) -> Object:
    return named(objects, "Deployment", f"hookbus-{program}")


def secrets() -> list[Object]:
    """The Secret of the page's command, and the placeholders of the others with one that is none."""
    [command] = re.findall(r"^kubectl (-n hookbus create secret .*)$", pages.OPERATIONS.read_text(), re.MULTILINE)
    command = command.replace("$(openssl rand -base64 32)", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = yaml.safe_load(run(BIN / "kubectl", *shlex.split(command), "--dry-run=client", "-o", "yaml"))
    others = (FOLDER / "overlays/production/secrets.example.yaml").read_text()
    valid = others.replace("whsec_REPLACE_ME", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
    return [made, *yaml.safe_load_all(re.sub(r"rediss://\S+", "redis://redis:6379/0", valid))]


def test_the_console_signs_with_the_secret_of_the_source_that_it_posts_to(objects, tmp_path):
    programs = [deployment(objects, "ingest"), deployment(objects, "console")]
    root = mount_files([*objects, *secrets()], programs, tmp_path / "root")
    environ = {each["name"]: each["value"] for each in container(programs[1])["env"]}
    environ = {name: text.replace("file:/", f"file:{root}/") for name, text in environ.items()}
    file: Path = root / "srv/hookbus.toml"
    sender, ingest = sending(load_worker(file, environ)), load_ingest(file, {})
    assert sender is not None
    source, url = ingest.sources["test"], urlsplit(sender.url)
    assert (url.scheme, url.path) == ("http", source.path)
    [port] = named(objects, "Service", url.netloc)["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (80, "http")
    [secret] = secrets_of("test", source)
    assert sender.destination().key == key_bytes(secret.text, source.key_encoding)


def test_it_opens_the_way_from_the_console_to_ingest_and_no_other(objects):
    policies = of_kind(objects, "NetworkPolicy")
    peers = {
        name: Peer(
            dict(manifests.pod_labels(deployment(objects, name))),
            ports={port["name"]: port["containerPort"] for port in container(deployment(objects, name))["ports"]},
        )
        for name in ("console", "ingest", "worker-billing", "exporter")
    }
    ways = itertools.product(peers, peers, (8080, 9464, 9467))
    passing = [way for way in ways if may(policies, peers[way[0]], peers[way[1]], way[2])]
    assert passing == [("console", "ingest", 8080)]
    assert not may(policies, Peer({"app": "other"}, "another-team"), peers["ingest"], 8080)


def test_its_objects_are_valid(objects):
    for found in of_kind(objects, "Deployment", "NetworkPolicy"):
        kubernetes_validate.validate(found, "1.30", strict=True)
