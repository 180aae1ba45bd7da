"""The senders' own libraries from PyPI and npm, pinned, apart from our environment: `make .bench/senders/ready`."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.peers.environment import FOLDER, INSTALL_LIMIT_S, python_of

PYPI: Final = ("anthropic==2.14.0", "openai==3.57.0", "resend==2.52.0", "standardwebhooks==1.1.0", "svix==2.9.1")
NPM: Final = ("openai@7.59.0", "resend@6.38.0", "standardwebhooks@1.1.1", "svix@2.5.0")
NODE: Final = FOLDER / "senders-npm"
_OPTIONS: Final = ("--no-package-lock", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
_STAMP: Final = NODE / "installed.txt"


def install() -> None:
    """Install what is not installed yet. Raises RuntimeError."""
    python_of("senders", PYPI)
    if not _has_npm():
        shutil.rmtree(NODE, ignore_errors=True)
        NODE.mkdir(parents=True)
        command = ("npm", "install", *_OPTIONS, *NPM)
        done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
        _STAMP.write_text("\n".join(NPM))  # last: an incomplete folder has no stamp


def _has_npm() -> bool:
    return _STAMP.exists() and _STAMP.read_text() == "\n".join(NPM)


def python() -> Path | None:
    """The interpreter that has the libraries of PyPI; None until they and those of npm are installed."""
    path = FOLDER / "senders/bin/python"
    stamp = FOLDER / "senders/requirements.txt"
    has_all = stamp.exists() and set(PYPI) <= set(stamp.read_text().splitlines())
    return path if has_all and path.exists() and _has_npm() and shutil.which("node") else None


if __name__ == "__main__":
    install()
