"""Output without a reader, or that can't be written: every command ends by itself and without a traceback."""

import os
import subprocess
from collections.abc import AsyncIterator

import pytest

from tests import users
from tests.programs import BIN, ROOT, SECRET, Ingest
from tests.worker.dead_letters import create_groups, letter, store_letters

COMMANDS = {
    "ingest": """
        hookbus-ingest send --list
        hookbus-ingest send response.completed --url URL
        hookbus-ingest send response.* --url URL
        hookbus-ingest send response.completed --count 50 --url URL
        hookbus-ingest check
        hookbus-ingest check --json
        hookbus-ingest rejections
        hookbus-ingest rejections --follow
        hookbus-ingest --help
    """,
    "worker": """
        hookbus-worker status
        hookbus-worker status --json
        hookbus-worker status --watch
        hookbus-worker check
        hookbus-worker pause billing
        hookbus-worker replay billing --dry-run
        hookbus-worker forget billing --dry-run
        hookbus-worker verify --count 2 --url URL
    """,
    "dlq": """
        hookbus-worker dlq list
        hookbus-worker dlq list --json
        hookbus-worker dlq groups
        hookbus-worker dlq show wh_1
        hookbus-worker dlq show wh_1 --body
        hookbus-worker dlq export
        hookbus-worker dlq discard --all --dry-run
        hookbus-worker dlq redrive --all --dry-run --json
    """,
}
AT_ONCE = 3


@pytest.fixture
async def url(client, redis_url) -> AsyncIterator[str]:
    await create_groups(client, "billing")
    await store_letters(client, *(letter(f"wh_{i}") for i in range(3)))
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        yield ingest.url


def started(line: str, url: str, redis_url: str, stdout: int, stderr: int) -> "subprocess.Popen[str]":
    program, *args = line.replace("URL", url).split()
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HOOKBUS_", "OPENAI_", "PYTHON"))}
    variables = {"HOOKBUS_REDIS_URL": users.login(redis_url, program, *args), "OPENAI_WEBHOOK_SECRET": SECRET}
    return subprocess.Popen(
        [str(BIN / program), *args],
        cwd=ROOT,
        env=clean | variables,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
    )


def ended(lines: list[str], url: str, redis_url: str, stdout: int, stderr: int = subprocess.PIPE) -> dict[str, object]:
    """Exit code and errors of each command."""
    found: dict[str, object] = {}
    for i in range(0, len(lines), AT_ONCE):
        running = {line: started(line, url, redis_url, stdout, stderr) for line in lines[i : i + AT_ONCE]}
        for line, process in running.items():
            _, errors = process.communicate(timeout=50)
            found[line] = process.returncode, errors or ""
    return found


def lines_of(name: str) -> list[str]:
    return [line.strip() for line in COMMANDS[name].strip().splitlines()]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("errors_too", [False, True], ids=["stdout", "both"])
def test_every_command_ends_quietly_when_its_reader_leaves(url, redis_url, name, errors_too):
    read_end, write_end = os.pipe()
    os.close(read_end)
    lines = lines_of(name)
    try:
        found = ended(lines, url, redis_url, write_end, write_end if errors_too else subprocess.PIPE)
    finally:
        os.close(write_end)
    assert found == dict.fromkeys(lines, (1, ""))


@pytest.mark.needs("linux")  # has /dev/full
@pytest.mark.parametrize("name", ["ingest", "dlq"])
def test_a_failed_write_is_reported_and_not_attributed_to_redis(url, redis_url, name):
    lines = [line for line in lines_of(name) if not line.endswith("--follow") and "rejections" not in line]
    with open("/dev/full", "wb") as full:
        found = ended(lines, url, redis_url, full.fileno())
    assert found == {line: (1, f"{line.split()[0]}: can't write: No space left on device\n") for line in lines}
