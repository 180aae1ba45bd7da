import shutil
import tempfile
from pathlib import Path

import pytest

from hookbus.shared import finding
from hookbus.shared.finding import Finding


def test_the_gravest_finding_makes_the_exit_code():
    assert finding.gravest([]) == 0
    assert finding.gravest([Finding(code, "x", "y", "z") for code in (1, 78, 0)]) == 78


def test_a_finding_is_a_line_of_what_and_a_line_of_what_to_do_about_it():
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
    """A folder into which everybody may look, up to the root."""
    folder = Path(tempfile.mkdtemp(prefix="hookbus-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(("mode", "count"), [(0o644, 1), (0o604, 1), (0o640, 0), (0o600, 0)])
def test_a_file_that_everybody_may_read_is_exposed(open_folder, mode, count):
    file = open_folder / "secret"
    file.write_text("x")
    file.chmod(mode)
    found = finding.exposed([file, open_folder / "missing"])
    assert [(each.exit_code, each.action) for each in found] == [(0, f"chmod o-r {file}")] * count


def test_behind_a_folder_that_lets_nobody_in_it_is_not(open_folder):
    file = open_folder / "secret"
    file.write_text("x")
    file.chmod(0o644)
    open_folder.chmod(0o700)
    assert finding.exposed([file]) == []
