"""Every Python block of a page runs, in the order of the page and in one module; a worker accepts its apps.

A block whose first line names a file is also written to that file, so that a later block can import it.
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
"""Appended to the last block; a worker does the same at its start."""


def run(blocks: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run them in a process of their own, with fresh imports for each page."""
    for block in blocks:
        if named := FILE.match(block):
            file = folder / named[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block)
    from hookbus import App
    from hookbus.worker.pipeline.routes import build

    module = folder / "page.py"
    module.write_text("\n\n".join(blocks) + CHECKED.format(app=App.__module__, routes=build.__module__))
    command = [sys.executable, "-W", "error", module]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(folder / "src")}, capture_output=True, text=True, check=False
    )


WITH_EXAMPLES = [page for page in pages.every() if pages.blocks(page, "python")]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page, tmp_path):
    done = run(pages.blocks(page, "python"), tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["checked"]), done.stderr


def test_the_pages_for_users_have_examples():
    assert {pages.README, pages.GUIDE} <= set(WITH_EXAMPLES)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("from hookbus.worker import Apps", "cannot import name"),
        ("nobody_knows_me", "NameError"),
        ("from hookbus import App\napp = App('a')\n@app.on('x')\ndef none(): ...", "a handler takes the event"),
    ],
)
def test_an_example_that_fails_is_detected(block, message, tmp_path):
    done = run([block], tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
