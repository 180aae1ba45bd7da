"""Fixtures of the tests of `deploy`."""

from pathlib import Path

import pytest

from tests.deploy import manifests
from tests.deploy.installed import installed  # noqa: F401 - a fixture
from tests.deploy.manifests import Object


@pytest.fixture
def with_gateway(tmp_path: Path) -> list[Object]:
    """The production overlay with the gateway component, changed as its comment says."""
    folder = manifests.copy(tmp_path)
    file = folder / "overlays/production/kustomization.yaml"
    [line] = [line for line in file.read_text().splitlines() if "# or ../../components/gateway" in line]
    file.write_text(file.read_text().replace(line, "  - ../../components/gateway"))
    return manifests.rendered("production", folder)
