import shutil
import tempfile
from pathlib import Path

import pytest

from hookbus.shared import finding
from hookbus.shared.finding import Finding


def test_the_most_severe_finding_sets_the_exit_code():
    assert finding.gravest([]) == 0
    assert finding.gravest([Finding(code, "x", "y", "z") for code in (1, 78, 0)]) == 78


def test_a_finding_is_printed_as_its_problem_and_its_remedy():
    found = [Finding(78, "wrong", "all \x1b[31mis\nlost", "find it"), Finding(0, "late", "slow", "wait")]
    assert finding.lines(found) == [
        "",
        "ERROR wrong: all \\x1b[31mis",
        "  -> find it",
        "",
        "warning late: slow",
        "  -> wait",
    ]


@pytest.fixture
def open_folder():
    """A folder that all users can read, like all its parents."""
    folder = Path(tempfile.mkdtemp(prefix="hookbus-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(("mode", "count"), [(0o644, 1), (0o604, 1), (0o640, 0), (0o600, 0)])
def test_a_world_readable_file_is_exposed(open_folder, mode, count):
    file = open_folder / "secret"
    file.write_text("x")
    file.chmod(mode)
    found = finding.exposed([file, open_folder / "missing"])
    assert [(each.exit_code, each.action) for each in found] == [(0, f"chmod o-r {file}")] * count


def test_a_world_readable_file_in_a_private_folder_is_not_exposed(open_folder):
    file = open_folder / "secret"
    file.write_text("x")
    file.chmod(0o644)
    open_folder.chmod(0o700)
    assert finding.exposed([file]) == []
