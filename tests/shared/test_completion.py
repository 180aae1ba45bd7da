"""Completion in the real shells: each is new, and was set up by the step that deploy/OPERATIONS.md has."""

import contextlib
import os
import pty
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests import tools
from tests.wait import until

INSTALL = "hookbus-worker --install-completion; hookbus-ingest --install-completion; true"
PROMPT = "ready> "
START_OF_LINE = "\x01"
TYPED = {
    "hookbus-worker dlq": {"li": "list", "--rea": "--reason", "wor": "worker_lost"},
    "hookbus-ingest": {"rej": "rejections", "--cod": "--code", "body_ti": "body_timeout"},
}
"""A command, an option and a value behind it: what is typed before Tab → what stands there after it."""


def environment(home: Path) -> dict[str, str]:
    """Of a person whose Redis is away."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return {"HOME": str(home), "PATH": path, "TERM": "dumb", "HOOKBUS_REDIS_URL": "redis://127.0.0.1:1"}


def said(shell: str, home: Path, line: str) -> str:
    """What a line prints in a new shell that is nobody's terminal."""
    return subprocess.run(
        [tools.find(shell), "-c", line], cwd=home, env=environment(home), capture_output=True, text=True, check=True
    ).stdout


@asynccontextmanager
async def terminal(shell: str, home: Path) -> AsyncIterator[int]:
    """A new shell behind a terminal, whose keyboard and screen this is."""
    screen, inside = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", tools.find(shell), "-i"],
        **dict.fromkeys(("stdin", "stdout", "stderr"), inside),
        cwd=home,
        env=environment(home),
    )
    os.close(inside)
    os.set_blocking(screen, False)
    try:
        yield screen
    finally:
        os.close(screen)  # hangs up
        process.wait(timeout=30)


async def shown(screen: int, pattern: str) -> str:
    """What the screen shows that matches, once it does."""
    seen = bytearray()

    def read() -> re.Match[str] | None:
        with contextlib.suppress(BlockingIOError):
            seen.extend(os.read(screen, 65536))
        return re.search(pattern, seen.decode(errors="replace"))

    return (await until(read, 60, f"{pattern} on a screen")).group()


@pytest.mark.parametrize(
    ("shell", "settings"),
    [
        pytest.param("bash", ".bashrc", marks=pytest.mark.needs("bash", "proc")),
        pytest.param("zsh", ".zshrc", marks=pytest.mark.needs("zsh", "proc")),
    ],
)
async def test_one_tab_completes_a_command_an_option_and_a_value_in_a_new_shell(shell, settings, tmp_path):
    (tmp_path / settings).write_text(f"PS1='{PROMPT}'\n")
    said(shell, tmp_path, INSTALL)
    for program, words in TYPED.items():
        async with terminal(shell, tmp_path) as screen:
            await shown(screen, PROMPT)
            keys = "\t".join((*words, START_OF_LINE))
            os.write(screen, f"{program} {keys}echo \r".encode())
            echoed = await shown(screen, f"\n{program}.*\r\n")
            assert echoed.split() == [*program.split(), *words.values()]


@pytest.mark.needs("fish", "proc")
def test_a_new_fish_completes_a_command_an_option_and_a_value(tmp_path):
    said("fish", tmp_path, INSTALL)
    for program, words in TYPED.items():
        line = program
        for typed, word in words.items():
            candidates = said("fish", tmp_path, f"complete -C '{line} {typed}'").splitlines()
            assert [text.partition("\t")[0] for text in candidates] == [word]
            line = f"{line} {word}"
