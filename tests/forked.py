"""Commands as forks of a process that has their libraries: a third of the CPU of a fresh interpreter.

One such process for each of pytest's. It has imported nothing of hookbus, so each command imports and configures that
itself. `tests/test_start.py` starts fresh interpreters, and so does everything that gets signals or a terminal.
"""

import contextlib
import functools
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NoReturn

LIBRARIES: Final = ("asyncio", "msgspec", "redis.asyncio", "typer")
AT_THE_START: Final = ("LANG", "LC_", "LD_", "PYTHON", "TZ")
"""Beginnings of the variables that only a fresh interpreter follows."""


def can_run(environ: Mapping[str, str]) -> bool:
    """Whether a fork follows these variables as a fresh interpreter would, and nobody measures coverage."""
    return not any(name.startswith(AT_THE_START) for name in environ) and "COVERAGE_PROCESS_CONFIG" not in os.environ


def run(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes, timeout_s: float
) -> "subprocess.CompletedProcess[bytes]":
    """Run a console script until it ends. Raises TimeoutError, and kills it, if that takes longer than `timeout_s`."""
    (stdin_read, stdin_write), (out_read, out_write), (err_read, err_write) = (os.pipe() for _ in range(3))
    ours, theirs = socket.socketpair()
    with ours, ThreadPoolExecutor(3) as pool:
        _channel().send(stdin_read, out_write, err_write, theirs.detach())
        ours.settimeout(timeout_s)
        ours.sendall(json.dumps({"argv": list(command), "cwd": str(cwd), "env": dict(env)}).encode())
        ours.shutdown(socket.SHUT_WR)
        pool.submit(_write, stdin_write, stdin)
        outputs = [pool.submit(_read, end) for end in (out_read, err_read)]
        with ours.makefile() as answer:
            pid = int(answer.readline())
            try:
                code = int(answer.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)  # its output ends, and with it the threads
                raise
        return subprocess.CompletedProcess(command, code, *(output.result() for output in outputs))


def _write(end: int, data: bytes) -> None:
    with open(end, "wb") as file:
        file.write(data)


def _read(end: int) -> bytes:
    with open(end, "rb") as file:
        return file.read()


class _Channel:
    """To the process that forks. It ends when this is closed, at the latest with pytest."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno())]
            clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
            nowhere = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
            self._process = subprocess.Popen(command, env=clean, **nowhere, pass_fds=[theirs.fileno()])

    def send(self, *descriptors: int) -> None:
        """Pass descriptors on, and close them here."""
        with self._lock:
            socket.send_fds(self._ours, [b"x"], list(descriptors))
        for each in descriptors:
            os.close(each)


@functools.cache
def _channel() -> _Channel:
    return _Channel()


def _serve(channel: socket.socket) -> None:
    """Fork for each message, until the other end is closed."""
    sys.path.pop(0)  # the folder of this file
    for name in LIBRARIES:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks below
    while True:
        message, descriptors, *_ = socket.recv_fds(channel, 1, 4)
        if not message:
            return None
        if os.fork() == 0:
            channel.close()
            return _supervise(*descriptors)
        for each in descriptors:
            os.close(each)


def _supervise(stdin: int, stdout: int, stderr: int, reply: int) -> None:
    """Fork the command, and report its process id and its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with socket.socket(fileno=reply) as answer:
        request = json.loads(b"".join(iter(functools.partial(answer.recv, 1 << 16), b"")))
        child = os.fork()
        if child:
            for each in (stdin, stdout, stderr):
                os.close(each)
            answer.sendall(f"{child}\n".encode())
            _, status = os.waitpid(child, 0)
            with contextlib.suppress(BrokenPipeError):  # whoever asked waits no more
                answer.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)
    _become(request, stdin, stdout, stderr)


def _become(request: Any, *streams: int) -> NoReturn:
    """Run the console script as `python` would."""
    for number, each in enumerate(streams):
        os.dup2(each, number)
        os.close(each)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = request["argv"]
    sys.path.insert(0, os.path.dirname(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")
    sys.exit(0)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
