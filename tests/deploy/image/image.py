"""The image of `deploy/container`, built by buildah over a minimal Debian tagged with the name of its base image.

No image registry is used. pip uses the index of this machine: its settings are mounted during the build and are not
part of the image. `--format docker`, as OCI images have no HEALTHCHECK.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hookbus.shared.release import VERSION
from tests.programs import ROOT

DOCKERFILE: Final = ROOT / "deploy/container/Dockerfile"
TAG: Final = f"hookbus:{VERSION}"
BUILD_TIMEOUT_S: Final = 900
"""A build takes 40 s on an idle machine, and a minute more if debootstrap has to create the root first."""

ENTER: Final = """
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1/srv"
mount -o remount,ro,bind "$1"
mount -o remount,ro,bind "$1/srv"
user=$3 root=$1
shift 3
exec chroot --userspec="$user" "$root" env --chdir=/srv "$@"
"""
"""Like a container with a read-only root: the mounts are in a namespace of their own and end with it."""


def base() -> str:
    """The name of the base image."""
    [python] = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    return f"docker.io/library/python:{python}"


def run(*command: str | Path, cwd: Path = ROOT, **environ: str) -> str:
    """Run a command that must succeed; its output."""
    options = {"cwd": cwd, "env": os.environ | environ, "capture_output": True, "text": True}
    done = subprocess.run(list(map(str, command)), check=False, timeout=BUILD_TIMEOUT_S, **options)
    assert done.returncode == 0, f"{command[:4]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


class Image:
    """The built image in a store of its own under `folder`, and the folder in which it is mounted."""

    def __init__(self, folder: Path) -> None:
        self._home = folder
        self._import_base()
        volumes = [argument for path, target in _pip_mounts(folder) for argument in ("--volume", f"{path}:{target}:ro")]
        ignored = DOCKERFILE.with_name("Dockerfile.dockerignore")
        self._buildah(
            "bud",
            "--pull-never",
            "--format",
            "docker",
            "--file",
            DOCKERFILE,
            "--ignorefile",
            ignored,
            "--tag",
            TAG,
            *volumes,
            ROOT,
        )
        container = self._buildah("from", "--pull-never", TAG)
        self.root = Path(self._buildah("mount", container))
        self.config: dict[str, Any] = json.loads(self._buildah("inspect", container))["Docker"]["config"]

    def inside(self, srv: Path) -> list[str]:
        """The prefix that runs a command in the image as its user, with `srv` as /srv, all read-only."""
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", ENTER, "-"]
        return [*enter, str(self.root), str(srv), self.config["User"], *self.config["Env"]]

    def remove(self) -> None:
        """Free its disk space, more than a GB, and delete pip's settings."""
        self._buildah("umount", "--all")
        self._buildah("rm", "--all")
        shutil.rmtree(self._home)

    def _buildah(self, *words: str | Path) -> str:
        # vfs needs no kernel support and leaves no mounts.
        store = ("--storage-driver", "vfs", "--root", self._home / "store", "--runroot", self._home / "run")
        return run("buildah", *store, *words, BUILDAH_ISOLATION="chroot").strip()

    def _import_base(self) -> None:
        """A Debian with Python and pip in /usr/local, as the base image has them."""
        container = self._buildah("from", "scratch")
        self._buildah("copy", "--quiet", container, run(ROOT / ".ci/root").strip(), "/")
        path = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self._buildah("config", "--env", path, container)
        self._buildah("run", container, "python3", "-m", "venv", "/usr/local")
        self._buildah("commit", "--quiet", "--rm", container, base())


def _pip_mounts(folder: Path) -> Iterator[tuple[Path, str]]:
    """Pairs of (path, path in the image): pip's settings here as one file, and the files and folders that they name."""
    listing = run(sys.executable, "-m", "pip", "config", "list")
    settings = {
        key: ast.literal_eval(value)
        for key, value in re.findall(r"^(?::env:|global|install)\.([\w-]+)=(.*)$", listing, re.MULTILINE)
    }
    file = folder / "pip.conf"
    file.touch(0o600)  # the URL of an index can hold a password
    lines = (f"{key} = {value}".replace("\n", "\n    ") for key, value in settings.items())
    file.write_text("\n".join(["[global]", *lines, ""]))
    yield file, "/etc/pip.conf"
    for word in " ".join(settings.values()).split():
        # For a local index its parent, as the files can lie beside it.
        path = Path(word.removeprefix("file://")).parent if word.startswith("file://") else Path(word)
        if path.is_absolute() and path.exists():
            yield path, str(path)
