"""Every block of Python in a page runs, in the order of the page and in one module; a worker would take its apps.

A block whose first line names a file is also that file, so that a later one can import it.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import pages
from tests.programs import ROOT

FILE = re.compile(r"# (\S+\.py)\n")
CHECKED = """

from {app} import App as _App
from {routes} import build as _build
_build([one for one in list(globals().values()) if isinstance(one, _App)], 30.0)
print("checked")
"""
"""What follows the last block; a worker does the same at its start."""


def run(blocks: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    """Run them in a process of its own, so that each page imports afresh."""
    for block in blocks:
        if named := FILE.match(block):
            file = home / named[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block)
    from hookbus import App
    from hookbus.worker.pipeline.routes import build

    module = home / "page.py"
    module.write_text("\n\n".join(blocks) + CHECKED.format(app=App.__module__, routes=build.__module__))
    this = [sys.executable, "-W", "error", module]
    return subprocess.run(
        this, cwd=home, env={"PYTHONPATH": str(home / "src")}, capture_output=True, text=True, check=False
    )


WITH_EXAMPLES = [page for page in pages.every() if pages.blocks(page, "python")]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page, tmp_path):
    done = run(pages.blocks(page, "python"), tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["checked"]), done.stderr


def test_the_pages_for_users_have_some():
    assert {pages.README, pages.GUIDE} <= set(WITH_EXAMPLES)


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ("from hookbus.worker import Apps", "cannot import name"),
        ("nobody_knows_me", "NameError"),
        ("from hookbus import App\napp = App('a')\n@app.on('x')\ndef none(): ...", "a handler takes the event"),
    ],
)
def test_one_that_does_not_is_noticed(block, says, tmp_path):
    done = run([block], tmp_path)
    assert done.returncode == 1
    assert says in done.stderr
