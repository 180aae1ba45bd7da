"""The README is true: its code runs, its tables agree with the code, its commands work."""

import asyncio
import re
import shlex
import types
import typing
from pathlib import Path

import msgspec
import prometheus_client
import pytest

import ingest.metrics
import ingest.signature
import shared.fault
import worker.metrics  # noqa: F401 - its figures are in the registry
from ingest.settings import IngestSettings, load_settings
from shared.settings import Common
from tests.events_logged import events
from tests.programs import ROOT, SECRET, Ingest, Program, post
from tests.wait import until
from worker import App
from worker.exporter import Watch
from worker.outcome import Reason
from worker.routes import build
from worker.settings import WorkerSettings

TEXT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def table_codes(heading: str) -> set[str]:
    """What stands in backticks in the section under a heading."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    return set(re.findall(r"`([a-z_]+)`", section))


def test_the_consumer_in_the_readme_can_be_run():
    [source] = blocks("python")
    module = types.ModuleType("readme")
    exec(compile(source, "README.md", "exec"), vars(module))
    [group] = build([app for app in vars(module).values() if isinstance(app, App)], 30)
    assert [route.pattern for route in group.routes] == ["realtime.call.incoming", "response.completed", "batch.*"]


def test_the_configuration_in_the_readme_is_accepted(tmp_path):
    [source] = blocks("toml")
    file = tmp_path / "hookbus.toml"
    file.write_text(source)
    assert set(load_settings(file, {}).sources) == {"openai", "partner"}


def test_the_configuration_table_has_every_key_with_its_default():
    section = TEXT.split("## Configuration\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| ([^|]+) \|", section, re.MULTILINE))
    common = set(Common.__struct_fields__)
    told = set()
    for program, cls in (("ingest", IngestSettings), ("worker", WorkerSettings)):
        for field in msgspec.structs.fields(cls):
            name = field.name if field.name in common else f"{program}.{field.name}"
            told.add(name)
            shown = rows[name].strip("` ").replace('""', "")
            if name != "ingest.sources":
                several = field.default if isinstance(field.default, tuple) else (field.default,)
                default = ", ".join(str(one).lower() if isinstance(one, bool) else str(one) for one in several)
                assert shown == default.removesuffix(".0"), name
    assert told == set(rows)


def test_the_status_table_has_every_code():
    said = table_codes("What ingest answers")
    codes = {*typing.get_args(ingest.signature.Code), *typing.get_args(shared.fault.Code)}
    assert codes <= said
    files = [*(ROOT / "ingest").glob("*.py"), ROOT / "shared" / "http_connection.py"]
    found = re.findall(
        r'(?:(?:Refusal|_end|_bare)\(\d+, |unavailable\()"([a-z_]+)"', "".join(map(Path.read_text, files))
    )
    never_answered = {"disconnected"}
    assert {"header_timeout", "draining", *never_answered} <= set(found) <= said | never_answered


def test_every_reason_for_a_dead_letter_is_told():
    assert set(typing.get_args(Reason)) <= table_codes("Stop, look into dead letters")


@pytest.mark.parametrize("number", range(1, 11))
def test_each_guarantee_has_a_test_of_its_name_in_each_file_that_the_readme_gives(number):
    files = re.findall(r"`(tests/[^`]+)`", next(line for line in TEXT.splitlines() if f"| G{number} |" in line))
    assert files
    for file in files:
        assert f"def test_g{number}_" in (ROOT / file).read_text(), f"G{number}: {file}"


async def test_the_tables_of_metrics_name_every_figure_and_no_other(redis_url, client):
    section = TEXT.split("## Metrics\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    watch = Watch(client, 1)
    await watch.look()
    families = [*prometheus_client.REGISTRY.collect(), *watch.collect()]
    exported = {f"{each.name}_total" if each.type == "counter" else each.name for each in families}
    named = re.findall(r"`([a-z_]+)`", " ".join(rows))
    assert len(named) == len(set(named))
    assert set(named) == {name for name in exported if name.startswith("hookbus_")}


def test_the_events_of_the_log_are_those_that_the_readme_names_at_their_levels():
    section = TEXT.split("## Logs\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(error|warning|info|debug)` \| (.*) \|$", section, re.MULTILINE)
    told = {name: level for level, row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    logged = events()
    assert set(told) == set(logged)
    same = {"exception": "error", "level": "warning"}
    assert {n: v for n, v in told.items() if v not in {same.get(each, each) for each in logged[n]}} == {}


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^|`)make ([a-z-]+)", TEXT + (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert named
    assert set(named) <= targets


@pytest.mark.timeout(180)  # sixteen programs, one after the other
async def test_the_commands_in_the_readme_work(redis_url, tmp_path):
    [source] = blocks("python")
    (tmp_path / "myservice").mkdir()
    (tmp_path / "myservice" / "handlers.py").write_text(source)
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("hookbus-")]
    commands = [shlex.split(line, comments=True) for line in lines]
    with Ingest(redis_url, HOOKBUS_INGEST_DURABILITY="fsync", HOOKBUS_INGEST_UNSAFE_REDIS="1") as served:
        await served.until_fit()
        environ = {
            "OPENAI_WEBHOOK_SECRET": SECRET,
            "HOOKBUS_INGEST_DURABILITY": "memory",
            "HOOKBUS_INGEST_LISTEN": f"127.0.0.1:{served.port}",
        }
        worker = next(command for command in commands if command[:2] == ["hookbus-worker", "run"])
        with Program(*worker, redis_url=redis_url, cwd=tmp_path, HOOKBUS_WORKER_OPS_LISTEN="127.0.0.1:0") as working:
            await working.until_logged("working")
            assert await post(served.url, "wh_1", b'{"type": "response.completed"}') == (200, "accepted")
            await working.until_logged("dead_letter", reason="undecodable")
            for command in commands:
                if command[1] not in ("run", "serve", "exporter"):
                    with Program(*command, redis_url=redis_url, cwd=tmp_path, **environ) as tool:
                        code = await asyncio.to_thread(tool.process.wait, 30)
                        await until(lambda tool=tool: tool.raw)
                        assert code == 0, (command, tool.raw)
            assert await working.end() == 0
