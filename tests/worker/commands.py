"""Runs the console script until it ends."""

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis.asyncio import Redis

from tests import forked, users
from tests.programs import BIN, ROOT
from tests.wait import PATIENCE_S, until


def environment(redis_url: str, **environ: str) -> dict[str, str]:
    """The environment of a command; 80 columns, as when piped."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HOOKBUS_", "OPENAI_", "PYTHON", "COLUMNS"))}
    return clean | {"HOOKBUS_REDIS_URL": users.login(redis_url, "hookbus-worker")} | environ


def worker(redis_url: str, *args: str, stdin: bytes = b"", **environ: str) -> "subprocess.CompletedProcess[bytes]":
    """`hookbus-worker` with these arguments, without a terminal."""
    command = [str(BIN / "hookbus-worker"), *args]
    env = environment(redis_url, **environ)
    if forked.can_run(environ):
        found = forked.run(command, cwd=ROOT, env=env, stdin=stdin, timeout_s=PATIENCE_S)
    else:
        found = subprocess.run(
            command, cwd=ROOT, env=env, input=stdin, capture_output=True, timeout=PATIENCE_S, check=False
        )
    assert b"Traceback (most" not in found.stderr, found.stderr.decode()
    return found


def answered(redis_url: str, *args: str, question: bytes, answer: bytes) -> int:
    """The exit code on a terminal where `answer`, which may be Ctrl-C, is typed after the question."""
    with _on_terminal(redis_url, args) as (process, terminal):
        output = b""
        while b"[y/N]" not in output:
            output += os.read(terminal, 1000)
        assert question in output, output
        if answer == b"\x03":
            process.send_signal(signal.SIGINT)
        else:
            os.write(terminal, answer)
        return process.wait(PATIENCE_S)


def typed(redis_url: str, *args: str) -> bytes:
    """What a command shows on a terminal that asks nothing."""
    output = b""
    with _on_terminal(redis_url, args) as (process, terminal):
        while chunk := _read(terminal):
            output += chunk
        assert process.wait(PATIENCE_S) == 0, output
    return output


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1000)
    except OSError:  # the program has ended
        return b""


@contextmanager
def _on_terminal(redis_url: str, args: Sequence[str]) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    terminal, program_end = pty.openpty()
    try:
        command = [str(BIN / "hookbus-worker"), *args]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment(redis_url), stdin=program_end, stdout=program_end, stderr=program_end,
            start_new_session=True,
        ) as process:  # fmt: skip
            os.close(program_end)
            try:
                yield process, terminal
            finally:
                process.kill()
    finally:
        os.close(terminal)


async def until_alone(client: Redis, name: str) -> None:
    """Wait until no command of a killed process is running. `name` is that of its connections."""

    async def is_alone() -> bool:
        return f"name=hookbus-worker:{name}".encode() not in await client.execute_command("CLIENT", "LIST")

    await until(is_alone)


def succeeded(redis_url: str, *args: str, **options: Any) -> str:
    """The output of a command that exits 0."""
    found = worker(redis_url, *args, **options)
    assert found.returncode == 0, found.stderr.decode()
    return found.stdout.decode()


def objects(redis_url: str, *args: str, **options: Any) -> list[dict[str, Any]]:
    """The JSON Lines that a command prints."""
    return [json.loads(line) for line in succeeded(redis_url, *args, **options).splitlines()]
