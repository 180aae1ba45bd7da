"""What a command imports: each test runs a process, since this one has imported everything."""

import os
import subprocess
import sys

import pytest

LIBRARIES = {"aiohttp", "asyncio", "msgspec", "prometheus_client", "pydantic", "redis", "rich", "structlog", "uvloop"}
HEAVY = LIBRARIES | {"hookbus.worker.api.app", "importlib.readers", "tomllib"}
PROGRAM = """
import gc, sys
from hookbus import _start
try:
    _start.{program}()
finally:
    assert len(gc.get_objects()) < 100, "Python would look for garbage in them at its end"
    ours = [module for name, module in sys.modules.items() if name.startswith("hookbus.")]
    slow = {{each.__name__ for module in ours for each in vars(module).values() if "__dataclass_fields__" in dir(each)}}
    print(*slow, *[name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""


def run(program: str, *words: str, **environment: str) -> tuple[str, set[str]]:
    """What a command prints, and which of the heavy libraries it imported, and dataclasses of ours that it made: each
    takes half a millisecond, a struct a fiftieth of it."""
    code = PROGRAM.format(program=program, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    *errors, imported = done.stderr.split("\n")[:-1]
    return done.stdout + "\n".join(errors), set(imported.split())


@pytest.mark.parametrize("program", ["ingest", "worker"])
@pytest.mark.parametrize("words", [("--help",), ("--version",), ()], ids=str)
def test_help_and_version_need_no_library_but_that_of_the_command_line(program, words):
    text, imported = run(program, *words)
    assert "hookbus" in text
    assert imported == set()


@pytest.mark.parametrize(
    ("program", "word", "meant"), [("worker", "statsu", "status"), ("ingest", "snd", "send"), ("worker", "dlqq", "dlq")]
)
def test_a_misspelt_command_is_answered_with_the_nearest_one_at_once(program, word, meant):
    text, imported = run(program, word)
    assert f"Did you mean '{meant}'" in text
    assert imported == set()


def test_status_imports_only_what_reads_redis_and_prints(redis_url):
    text, imported = run("worker", "status", HOOKBUS_REDIS_URL=redis_url)
    assert "unused" in text
    assert imported == {"asyncio", "msgspec", "redis", "rich"}


LOOKING = {"dlq list": {"Retry"}, "retries list": {"Retry"}, "processes": set(), "find evt_1": {"Retry", "uvloop"}}


@pytest.mark.parametrize(("words", "more"), LOOKING.items())
def test_what_looks_at_deliveries_imports_nothing_that_runs_them(words, more, redis_url):
    _, imported = run("worker", *words.split(), HOOKBUS_REDIS_URL=redis_url)
    assert imported == {"asyncio", "msgspec", "redis", "rich"} | more


def test_status_in_json_prints_without_what_draws_tables(redis_url):
    text, imported = run("worker", "status", "--json", HOOKBUS_REDIS_URL=redis_url)
    assert text.startswith("{")
    assert imported == {"asyncio", "msgspec", "redis"}


def test_a_command_runs_with_the_arguments_that_follow_it():
    text, _ = run("worker", "dlq", "list", "--limit", "0")
    assert "Invalid value for '--limit'" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("program", ["ingest", "worker"])
def test_the_script_of_a_shell_is_printed_and_completes_the_installed_command(program, shell):
    variable = f"_HOOKBUS_{program.upper()}_COMPLETE"
    text, imported = run(program, **{variable: f"source_{shell}"})
    assert f"hookbus-{program}" in text
    assert f"{variable}=complete_{shell}" in text
    assert shell != "zsh" or text.startswith("#compdef ")  # zsh looks for that in the first line only
    assert imported == set()


COMPLETED = {
    "bash": {"COMP_WORDS": "hookbus-worker {}", "COMP_CWORD": "1"},
    "zsh": {"_TYPER_COMPLETE_ARGS": "hookbus-worker {}"},
    "fish": {"_TYPER_COMPLETE_ARGS": "hookbus-worker {}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
}


@pytest.mark.parametrize(("shell", "variables"), COMPLETED.items())
def test_commands_are_completed_without_their_modules(shell, variables):
    given = {name: text.format("re") for name, text in variables.items()}
    text, imported = run("worker", _HOOKBUS_WORKER_COMPLETE=f"complete_{shell}", **given)
    assert "resume" in text
    assert "replay" in text
    assert "status" not in text
    assert imported == set()


def test_commands_of_a_group_and_options_are_completed_without_a_redis():
    def completed(words: str, index: int) -> list[str]:
        variables = {"COMP_WORDS": words, "COMP_CWORD": str(index), "HOOKBUS_REDIS_URL": "redis://127.0.0.1:1"}
        return run("worker", _HOOKBUS_WORKER_COMPLETE="complete_bash", **variables)[0].split()

    assert {"list", "show", "redrive"} <= set(completed("hookbus-worker dlq ", 2))
    assert {"--watch", "--json", "--config"} <= set(completed("hookbus-worker status --", 2))
