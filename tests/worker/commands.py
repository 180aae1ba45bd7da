"""The console script, run to its end."""

import json
import os
import subprocess
from typing import Any

from tests.programs import BIN, ROOT


def environment(redis_url: str, **environ: str) -> dict[str, str]:
    """What a command is told; 80 columns, as when piped."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HOOKBUS_", "OPENAI_", "PYTHON", "COLUMNS"))}
    return clean | {"HOOKBUS_REDIS_URL": redis_url} | environ


def worker(redis_url: str, *args: str, given: bytes = b"", **environ: str) -> "subprocess.CompletedProcess[bytes]":
    """`hookbus-worker` with these arguments, without a terminal."""
    command = [str(BIN / "hookbus-worker"), *args]
    env = environment(redis_url, **environ)
    found = subprocess.run(command, cwd=ROOT, env=env, input=given, capture_output=True, timeout=30, check=False)
    assert b"Traceback (most" not in found.stderr, found.stderr.decode()
    return found


def succeeded(redis_url: str, *args: str, **options: Any) -> str:
    """The output of a command that exits 0."""
    found = worker(redis_url, *args, **options)
    assert found.returncode == 0, found.stderr.decode()
    return found.stdout.decode()


def objects(redis_url: str, *args: str, **options: Any) -> list[dict[str, Any]]:
    """The JSON Lines that a command prints."""
    return [json.loads(line) for line in succeeded(redis_url, *args, **options).splitlines()]
