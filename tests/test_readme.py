"""The pages are correct: their code runs, their tables agree with the code, their commands work."""

import asyncio
import base64
import inspect
import re
import shlex
import types
import typing
from pathlib import Path

import prometheus_client
import pytest
import redis
from redis.exceptions import NoPermissionError

import hookbus.ingest.metrics
import hookbus.ingest.signature
import hookbus.shared.fault
import hookbus.shared.log_writer
import hookbus.worker.pipeline.metrics  # these two register metrics
from deploy import configuration
from hookbus import App, Delivery
from hookbus.ingest.settings import IngestSettings, load_settings
from hookbus.shared.command import EXIT_FAILED, EXIT_INTERRUPTED
from hookbus.shared.settings import EXIT_CONFIG, Common
from hookbus.worker.console import look
from hookbus.worker.console.jobs import Jobs
from hookbus.worker.console.looker import Looker
from hookbus.worker.console.metrics import ConsoleCollector
from hookbus.worker.console.work import Work
from hookbus.worker.inspect.exporter import BusCollector
from hookbus.worker.pipeline.outcome import Reason
from hookbus.worker.pipeline.routes import build
from hookbus.worker.settings import WorkerSettings
from tests import pages
from tests.events_logged import events
from tests.programs import ROOT, SECRET, Ingest, Program, post
from tests.wait import until

USAGE = 2
"""The exit code of Click, and so of typer, for a usage error."""


def test_the_consumer_in_the_readme_can_be_run():
    [source] = pages.blocks(pages.README, "python")
    module = types.ModuleType("readme")
    exec(compile(source, "README.md", "exec"), vars(module))
    [group] = build([app for app in vars(module).values() if isinstance(app, App)], 30)
    assert [route.pattern for route in group.routes] == ["realtime.call.incoming", "response.completed", "batch.*"]


def test_the_configuration_in_the_pages_is_accepted(tmp_path):
    file = tmp_path / "hookbus.toml"
    found = []
    for block in pages.blocks(pages.INGEST, "toml"):
        file.write_text(block.replace("/run/secrets", str(tmp_path)))
        for name in re.findall(r"file:/run/secrets/(\w+)", block):
            (tmp_path / name).write_text("whsec_" + base64.b64encode(name.ljust(32).encode()).decode())
        found.append(set(load_settings(file, {}).sources))
    assert found == [{"openai", "partner"}, {"claude", "clerk"}, {"shop"}]


def test_the_configuration_reference_matches_the_settings():
    assert pages.CONFIGURATION.read_text() == configuration.page(), "make configuration"


def test_every_setting_has_a_meaning_and_shows_its_bounds():
    page = configuration.page()
    for program, cls in (("ingest", IngestSettings), ("worker", WorkerSettings)):
        for name in cls.__struct_fields__:
            key = name if name in Common.__struct_fields__ else f"{program}.{name}"
            assert re.search(rf"^\| `{re.escape(key)}` \| .+ \| .+ \| .+ \|$", page, re.MULTILINE), key
    assert "| `shards` | `1` | whole number ≥ 1 ≤ 64 |" in page
    assert "| `ingest.durability` | `fsync` | `memory`, `fsync` |" in page


def test_the_status_table_has_every_code():
    documented = {
        *pages.codes(pages.section(pages.INGEST, "HTTP responses")),
        "accepted",
    }  # a 200 in the same table
    codes = {*typing.get_args(hookbus.ingest.signature.Code), *typing.get_args(hookbus.shared.fault.Code)}
    assert codes <= documented
    files = [*(ROOT / "ingest").glob("*.py"), ROOT / "shared" / "http_connection.py"]
    found = re.findall(
        r'(?:(?:Refusal|_end|_bare)\(\d+, |unavailable\()"([a-z_]+)"', "".join(map(Path.read_text, files))
    )
    never_answered = {"disconnected"}
    assert {"header_timeout", "draining", *never_answered} <= set(found) <= documented | never_answered


def test_every_reason_for_a_dead_letter_is_documented():
    assert set(typing.get_args(Reason)) <= pages.codes(pages.section(pages.OPERATIONS, "Dead letters"))


@pytest.mark.parametrize("number", range(1, 11))
def test_each_guarantee_has_a_test_of_its_name_in_each_file_that_the_page_gives(number):
    lines = pages.PROOFS.read_text().splitlines()
    files = re.findall(r"`(tests/[^`]+)`", next(line for line in lines if f"| G{number} |" in line))
    assert f"\n| G{number} | " in pages.README.read_text()
    assert files
    for file in files:
        assert f"def test_g{number}_" in (ROOT / file).read_text(), f"G{number}: {file}"


async def test_the_tables_of_metrics_name_every_metric_and_no_other(redis_url, client):
    section = pages.section(pages.MONITORING, "Metrics")
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    watch = BusCollector(client, 1)
    await watch.fetch()
    looker = Looker(client, 1)
    looker.keep(await look.fetch(client, 1, 1, Work()))
    own = ConsoleCollector(looker, Jobs(client, lambda: True, lambda: None))
    families = [*prometheus_client.REGISTRY.collect(), *watch.collect(), *own.collect()]
    exported = {f"{each.name}_total" if each.type == "counter" else each.name for each in families}
    named = re.findall(r"`([a-z_]+)`", " ".join(rows))
    assert len(named) == len(set(named))
    assert set(named) == {name for name in exported if name.startswith("hookbus_")}


def test_the_page_names_every_log_event_with_its_level():
    section = pages.section(pages.MONITORING, "Logs")
    rows = re.findall(r"^\| ([^|]+) \| (error|warning|info|debug) \| .+ \|$", section, re.MULTILINE)
    names = [(name, level) for row, level in rows for name in re.findall(r"`([a-z_]+)`", row)]
    documented = dict(names)
    assert len(documented) == len(names), "each once"
    logged = events()
    assert set(documented) == set(logged)
    same = {"exception": "error", "level": "warning"}
    assert {n: v for n, v in documented.items() if v not in {same.get(each, each) for each in logged[n]}} == {}


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for page in pages.every()
        for text in (page.read_text(), *("`" + block.replace("\n", "\n`") for block in pages.blocks(page, "sh")))
        for target in re.findall(r"(?:`|&& )make ([a-z-]+)", text)
    }
    assert {"demo", "up", "test"} <= named <= targets


@pytest.mark.timeout(180)  # sixteen programs, one after the other
async def test_the_commands_in_the_pages_work(redis_url, tmp_path):
    [source] = pages.blocks(pages.README, "python")
    (tmp_path / "myservice").mkdir()
    (tmp_path / "myservice" / "handlers.py").write_text(source)
    blocks = [block for page in (pages.README, pages.OPERATIONS) for block in pages.blocks(page, "sh")]
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("hookbus-")]
    commands = list(dict.fromkeys(tuple(shlex.split(line, comments=True)) for line in lines))
    with Ingest(redis_url, HOOKBUS_INGEST_DURABILITY="fsync", HOOKBUS_INGEST_UNSAFE_REDIS="1") as served:
        await served.until_healthy()
        environ = {
            "OPENAI_WEBHOOK_SECRET": SECRET,
            "HOOKBUS_INGEST_DURABILITY": "memory",
            "HOOKBUS_INGEST_LISTEN": f"127.0.0.1:{served.port}",
        }
        worker = next(command for command in commands if command[:2] == ("hookbus-worker", "run"))
        with Program(*worker, redis_url=redis_url, cwd=tmp_path, HOOKBUS_WORKER_OPS_LISTEN="127.0.0.1:0") as working:
            await working.until_logged("working")
            assert await post(served.url, "wh_1", b'{"type": "response.completed"}') == (200, "accepted")
            await working.until_logged("dead_letter", reason="undecodable")
            for command in commands:
                if command[1] not in ("run", "serve", "exporter", "console"):
                    with Program(*command, redis_url=redis_url, cwd=tmp_path, **environ) as tool:
                        code = await asyncio.to_thread(tool.process.wait, 30)
                        await until(lambda tool=tool: tool.raw)
                        assert code == 0, (command, tool.raw)
            assert await working.end() == 0


def test_readme_is_short_and_every_other_page_names_its_readers():
    assert len(pages.README.read_text().splitlines()) <= 200
    exceptions = {pages.README, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"}
    for page in {*pages.every()} - exceptions:
        assert page.read_text().splitlines()[2].startswith("For those who"), page


def test_the_table_of_options_has_each_option_of_a_subscription():
    rows = re.findall(r"^\| `([a-z_]+)` \|", pages.section(pages.GUIDE, "Options"), re.MULTILINE)
    assert set(rows) == {*inspect.signature(App.on).parameters} - {"self", "pattern"}


def test_the_table_of_a_delivery_names_only_what_it_has():
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", pages.section(pages.GUIDE, "Handler arguments"), re.MULTILINE)
    named = re.findall(r"`([a-z_]+)`", " ".join(rows))
    assert {"webhook_id", "attempt", "body"} < {*named} <= {*dir(Delivery)}


def test_the_table_of_exit_codes_matches_the_commands():
    rows = re.findall(r"^\| (\d+) \|", pages.OPERATIONS.read_text(), re.MULTILINE)
    assert [int(code) for code in rows] == [0, EXIT_FAILED, USAGE, EXIT_CONFIG, EXIT_INTERRUPTED]


async def test_the_acl_of_a_reader_allows_the_commands_of_the_page_and_no_others(client, redis_url):
    text = pages.DATA.read_text()
    [rules] = re.findall(r"^    user reader on >PASSWORD (.*)$", text, re.MULTILINE)
    commands = re.findall(r"^    redis-cli (.*)$", text, re.MULTILINE)
    await client.execute_command("ACL", "SETUSER", "reader", "on", ">PASSWORD", *rules.split())
    with redis.Redis.from_url(redis_url, username="reader", password="PASSWORD") as reader:
        for command in commands:
            reader.execute_command(*command.replace("BLOCK 0", "BLOCK 1").split())
        for command in ("XADD hookbus:{0}:stream:a * b c", "XTRIM hookbus:{0}:stream:a MAXLEN 0", "GET hookbus:meta"):
            with pytest.raises(NoPermissionError):
                reader.execute_command(*command.split())
    await client.execute_command("ACL", "DELUSER", "reader")
