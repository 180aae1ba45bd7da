import hashlib
import re
from pathlib import Path

import pytest
from redis.exceptions import NoScriptError, ResponseError

from hookbus.shared import scripts
from hookbus.shared.scripts import Call, Script

FOLDER = Path(scripts.__file__).parent / "lua"
FILES = sorted(FOLDER.glob("*.lua"))
SCRIPTS = {value.name: value for value in vars(scripts).values() if isinstance(value, Script)}
ONE, TWO, BAD = (
    Script(name, source, hashlib.sha1(source.encode()).hexdigest())
    for name, source in {
        "one": "return redis.call('INCR', KEYS[1])",
        "two": "return {KEYS[1], ARGV[1]}",
        "bad": "return redis.call('LPUSH', KEYS[1], 'x')",
    }.items()
)


def test_every_file_has_a_constant_and_every_constant_a_file():
    assert {path.stem for path in FILES} == set(SCRIPTS)
    for name, script in SCRIPTS.items():
        assert getattr(scripts, name.upper()) is script
        text = (FOLDER / f"{name}.lua").read_text()
        prefix = script.source.removesuffix(text)
        assert script.source == prefix + text
        settle, letter, held = (each.source for each in (scripts.SETTLE, scripts.LETTER, scripts.HELD))
        assert prefix in ("", "#!lua flags=allow-oom\n", settle, letter, settle + letter, held)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_header_has_purpose_keys_arguments_result_and_reason(path):
    lines = path.read_text().splitlines()
    assert re.fullmatch(r"-- [A-Z].*[.,:]", lines[0])
    numbers = []
    for mark in ("-- KEYS  ", "-- ARGV  ", "-- Returns ", "-- One step: "):
        (row_of_mark,) = [row for row, line in enumerate(lines) if line.startswith(mark)]
        numbers.append(row_of_mark)
    assert numbers == sorted(numbers)
    assert all(line.startswith("--") for line in lines[: numbers[-1] + 1])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_script_is_short_and_uses_only_keys_of_its_arguments(path):
    source = path.read_text()
    assert len(source.splitlines()) <= 40
    assert "hookbus:" not in source
    assert "'TIME'" not in source  # the time is an argument
    for command, first in re.findall(r"redis\.p?call\('(\w+)', ([^,)]+)", source):
        assert first.startswith("KEYS[") or command in ("XINFO", "XGROUP", "INFO"), (command, first)


async def test_a_script_that_redis_forgot_is_loaded_and_run_once(client):
    call = Call(ONE, ["n"], [])
    assert await scripts.run(client, call) == 1
    await client.execute_command("SCRIPT", "FLUSH")
    assert await scripts.run(client, call) == 2


async def test_in_a_pipeline_only_forgotten_scripts_run_again(client):
    assert await scripts.run(client, Call(ONE, ["n"], [])) == 1  # loads this script
    results = await scripts.run_all(client, [Call(ONE, ["n"], []), Call(TWO, ["k"], ["a"]), Call(ONE, ["n"], [])])
    assert results == [2, [b"k", b"a"], 3]
    await client.execute_command("SCRIPT", "FLUSH")
    assert await scripts.run_all(client, [Call(TWO, ["k"], [i]) for i in range(3)]) == [
        [b"k", b"0"], [b"k", b"1"], [b"k", b"2"],
    ]  # fmt: skip


async def test_in_a_pipeline_a_failed_call_leaves_its_error_in_its_place(client):
    results = await scripts.run_all(client, [Call(ONE, ["n"], []), Call(BAD, ["n"], []), Call(ONE, ["n"], [])])
    assert results[::2] == [1, 2]
    assert isinstance(results[1], ResponseError)
    assert not isinstance(results[1], NoScriptError)


async def test_no_calls_give_no_results(client):
    assert await scripts.run_all(client, []) == []


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=lambda script: script.name)
async def test_redis_loads_the_script_under_our_sha(client, script):
    assert (await client.script_load(script.source)) in (script.sha, script.sha.encode())
