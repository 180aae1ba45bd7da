"""One release number: programs, wheel, image, manifests and changelog agree."""

import json
import re
import subprocess
import sys

import pytest

from hookbus.shared.release import VERSION
from tests import pages
from tests.deploy.installed import run
from tests.programs import BIN, ROOT

PLACES = [ROOT / "deploy/container", ROOT / "deploy/kubernetes", *pages.every()]
IMAGE = re.compile(r"(?:hookbus:|newTag: |image\.version=)(\d[\w.+]*)")


def test_the_version_is_valid_for_package_indexes_and_semantic_versioning():
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", VERSION)


def test_every_named_image_is_of_this_release():
    files = [file for path in PLACES for file in ([path] if path.is_file() else path.rglob("*"))]
    named = {
        (file.relative_to(ROOT), found)
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
        for found in IMAGE.findall(file.read_text())
    }
    assert {file.parts[1] for file, _ in named} >= {"container", "kubernetes"}
    assert {(file, found) for file, found in named if found != VERSION} == set()


def test_the_changelog_begins_with_unreleased_and_then_this_release():
    headings = re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1:2] in ([], [VERSION])


def test_the_package_has_the_version_and_imports_no_program_for_it():
    code = "import sys, hookbus; print(hookbus.__version__, *(n for n in sys.modules if n.startswith('hookbus.')))"
    assert run(sys.executable, "-c", code) == f"{VERSION} hookbus.shared hookbus.shared.release\n"


@pytest.mark.timeout(180)  # the first test of a run builds the environment
def test_the_wheel_has_the_version(installed):
    assert installed.wheel.name.startswith(f"hookbus-{VERSION}-")
    [sdist] = installed.dist.glob("*.tar.gz")
    assert sdist.name == f"hookbus-{VERSION}.tar.gz"
    assert run(installed.script("hookbus-worker"), "--version", cwd=installed.venv) == f"hookbus {VERSION}\n"


@pytest.mark.parametrize("program", ["hookbus-ingest", "hookbus-worker"])
def test_both_programs_print_the_version(program):
    assert run(BIN / program, "--version") == f"hookbus {VERSION}\n"


@pytest.mark.parametrize(
    ("command", "program"),
    [
        (("hookbus-ingest", "serve"), "hookbus-ingest"),
        (("hookbus-worker", "run", "no_such_module:app"), "hookbus-worker"),
        (("hookbus-worker", "exporter", "--listen", "198.51.100.1:1"), "hookbus-worker exporter"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_service_logs_its_release_first_even_when_it_cannot_start(command, program, tmp_path):
    environ = {
        "HOOKBUS_REDIS_URL": f"unix://{tmp_path}/nobody",
        "OPENAI_WEBHOOK_SECRET": "whsec_" + "YWJj" * 8,
        "HOOKBUS_INGEST_LISTEN": "198.51.100.1:1",  # RFC 5737: no machine has it
        "HOOKBUS_INGEST_OPS_LISTEN": "198.51.100.1:1",
        "PATH": "/usr/bin:/bin",
    }
    name, *options = command
    done = subprocess.run(
        [BIN / name, *options], env=environ, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60
    )
    assert done.returncode in (1, 78), done.stderr
    first = json.loads((done.stderr or done.stdout).splitlines()[0])
    assert (first["event"], first["program"], first["version"]) == ("starting", program, VERSION)
