"""A Debian under a real systemd, in a container of systemd-nspawn: created, booted, used, and removed completely.

Its network is a loopback of its own, so programs in it cannot reach this machine.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from tests.programs import ROOT

PACKAGES: Final = "systemd,systemd-sysv,dbus,python3,python3-venv,redis-server"
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ALONE: Final = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
"""Mounts and processes of debootstrap end with it, even when it is killed."""
BOOT_S: Final = 300
END_S: Final = 30


class ContainerError(Exception):
    """The container could not be made, or a command in it failed."""


def host(*command: str | Path, timeout_s: float = 1200) -> str:
    """Run a command on this machine; returns its output. Raises ContainerError."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=timeout_s
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ContainerError(f"{command[0]} ended with {done.returncode}:\n{tail}")
    return done.stdout


def need(program: str, package: str) -> None:
    """Install a package of Debian if its program is missing. Raises ContainerError."""
    if shutil.which(program) is None:
        if shutil.which("apt-get") is None:
            raise ContainerError(f"{program} is needed, and there is no apt-get to install {package} with")
        host("apt-get", "update", "-qq")
        host("apt-get", "install", "-y", "-qq", "--no-install-recommends", package)


def _mirror() -> tuple[str, str]:
    """Address and release of the Debian mirror that apt uses here."""
    release = host("sh", "-c", '. /etc/os-release && echo "$VERSION_CODENAME"').strip()
    lines = host("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages").splitlines()
    for line in lines:
        address, _, name = line.rpartition(" ")
        if name == release:
            return address, release
    raise ContainerError(f"apt is configured with no mirror of {release}")


class Container:
    """A context manager: booted inside, removed afterwards. `base`, a folder made by debootstrap, is copied: faster."""

    def __init__(self, base: Path | None) -> None:
        self._base = base
        self.root = Path(tempfile.mkdtemp(prefix="hookbus-systemd-", dir="/var/tmp"))
        self.root.chmod(0o755)  # it becomes `/`, which other users have to traverse
        self._life: subprocess.Popen[bytes] | None = None
        self._init = 0

    def __enter__(self) -> "Container":
        try:
            self._make()
            self._boot()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def run(self, *command: str, timeout_s: float = 120, is_expected: bool = True, given: str = "") -> str:
        """Run a command inside; returns its output. Raises ContainerError unless it ends as `is_expected`."""
        done = self._inside(*command, timeout_s=timeout_s, given=given)
        if (done.returncode == 0) is not is_expected:
            raise ContainerError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return (done.stdout + done.stderr).strip()

    def sh(self, script: str, **options: float) -> str:
        """Run a line of shell inside; returns its output."""
        return self.run("sh", "-c", script, **options)  # type: ignore[arg-type]

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Start a command inside, without waiting for its end."""
        return subprocess.Popen(self._enter(*command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit)

    def until(self, condition: Callable[[], bool], what: str, timeout_s: float = 60) -> float:
        """Wait; returns the seconds that it took. Raises ContainerError."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > timeout_s:
                raise ContainerError(f"not within {timeout_s:g} s: {what}")
            time.sleep(0.1)
        return time.monotonic() - began

    def until_active(self, unit: str, timeout_s: float = 60) -> float:
        """Wait until a unit is active."""
        return self.until(lambda: self.show(unit, "ActiveState") == "active", f"{unit} active", timeout_s)

    def write(self, path: str, text: str) -> None:
        """Create a file inside."""
        self.run("install", "-D", "-m", "644", "/dev/stdin", path, given=text)

    def journal(self, unit: str) -> str:
        """The log lines of a unit."""
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit)

    def _inside(self, *command: str, timeout_s: float, given: str = "") -> "subprocess.CompletedProcess[str]":
        arguments = self._enter(*command)
        try:
            return subprocess.run(
                arguments, input=given, capture_output=True, text=True, check=False, timeout=timeout_s
            )
        except subprocess.TimeoutExpired:
            raise ContainerError(f"{' '.join(command)} has not ended within {timeout_s:g} s") from None

    def _enter(self, *command: str) -> list[str]:
        clean = ("env", "-i", f"PATH={PATH}", "LANG=C.UTF-8", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0")
        return ["nsenter", "--target", str(self._init), "--all", "--wdns=/root", "--", *clean, *command]

    def _make(self) -> None:
        if self._base is not None:
            host("cp", "-a", "--reflink=auto", f"{self._base}/.", self.root)
        else:
            address, release = _mirror()
            host(*ALONE, "debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, self.root, address)
        (self.root / "etc/machine-id").unlink(missing_ok=True)
        # Without markers: they refer to the Python inside, but pip here would evaluate them for its own.
        lock = self.root / "root/all.lock"
        lock.write_text(re.sub(r" ; [^\\\n]*", " ", (ROOT / "deploy/container/requirements.lock").read_text()))
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download", "--python-version", "3.11")
        host(*pip, "--require-hashes", "--no-deps", "--only-binary=:all:", "-r", lock, "-d", self.root / "root/wheels")
        host("make", "-s", "-C", ROOT, "dist", f"DIST={self.root}/root/dist")
        shutil.copytree(ROOT / "deploy", self.root / "root/deploy", ignore=shutil.ignore_patterns("__pycache__"))

    def _boot(self) -> None:
        alone = ("--register=no", "--keep-unit", "--private-network", "--link-journal=no", "--quiet")
        with (self.root / "root/console").open("wb") as console:
            self._life = subprocess.Popen(
                ["systemd-nspawn", *alone, "-D", self.root, "--boot"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        self.until(self._found_init, "the container's first process", BOOT_S)
        try:
            self.until(lambda: self._state() in ("running", "degraded"), "the container has booted", BOOT_S)
        except ContainerError as error:
            waiting = self._inside("systemctl", "list-jobs", timeout_s=30)
            raise ContainerError(f"{error}\n{waiting.stdout}{waiting.stderr}{self._console()}") from None

    def _found_init(self) -> bool:
        assert self._life is not None
        if self._life.poll() is not None:
            raise ContainerError(f"systemd-nspawn ended:\n{self._console()}")
        children = Path(f"/proc/{self._life.pid}/task/{self._life.pid}/children").read_text().split()
        self._init = int(children[0]) if children else 0
        return bool(children)

    def _console(self) -> str:
        return "\n".join((self.root / "root/console").read_text(errors="replace").splitlines()[-15:])

    def _state(self) -> str:
        return self._inside("systemctl", "is-system-running", timeout_s=30).stdout.strip()

    def _end(self) -> None:
        """Shut it down, or kill it, and remove it."""
        life = self._life
        if life is not None and life.poll() is None:
            life.send_signal(signal.SIGTERM)  # an orderly shutdown
            try:
                life.wait(END_S)
            except subprocess.TimeoutExpired:
                if self._init:
                    os.kill(self._init, signal.SIGKILL)
                life.kill()
                life.wait()
        shutil.rmtree(self.root, ignore_errors=True)
        if self.root.exists():
            print(f"could not remove {self.root}", file=sys.stderr)
