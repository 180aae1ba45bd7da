"""`make test-systemd`: the units of deploy/systemd under a real systemd, in a container that is removed afterwards.

Needs root, and Debian's packages systemd-container and debootstrap, which it installs if possible. BASE=FOLDER names a
folder that debootstrap made with the packages of `container.PACKAGES`: it is copied instead of fetching them each time.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from tests.deploy.nspawn.checks import CHECKS
from tests.deploy.nspawn.container import Container, ContainerError, need
from tests.deploy.nspawn.installation import WrongError


def main() -> int:
    """The exit code: 0 when every claim holds."""
    parser = argparse.ArgumentParser(prog="make test-systemd", description="The units under a real systemd.")
    parser.add_argument("--base", type=Path, default=None, help="a folder made by debootstrap, to copy")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("make test-systemd has to be run by root: it boots a container", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the container is removed then too
    began = time.monotonic()
    try:
        need("systemd-nspawn", "systemd-container")
        need("debootstrap", "debootstrap")
        print("making and booting a Debian", flush=True)
        with Container(options.base) as box:
            print(f"{box.run('systemctl', '--version').splitlines()[0]}, after {time.monotonic() - began:.0f} s")
            failed = _check(box)
    except ContainerError as error:
        print(f"no container: {error}", file=sys.stderr)
        return 1
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _check(box: Container) -> int:
    """The number of claims that do not hold."""
    failed = 0
    for check in CHECKS:
        began = time.monotonic()
        claim = check.__name__.replace("_", " ")
        try:
            summary = check(box)
        except (WrongError, ContainerError) as error:
            failed += 1
            print(f"FAIL {claim}\n     {error}", flush=True)
        else:
            print(f"ok   {claim} ({time.monotonic() - began:.0f} s)\n     {summary}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
