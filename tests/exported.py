"""The metrics that the real programs export, and those that a Prometheus query names."""

import re
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.programs import ROOT, Ingest, Program, Worker, event_body, free_port, post
from tests.wait import until

RULES: Final = ROOT / "deploy/prometheus"
SUFFIXES: Final = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def rules() -> list[dict[str, Any]]:
    """All rules, recording and alerting."""
    files = [file for file in sorted(RULES.glob("*.yml")) if file.name != "prometheus.yml"]
    return [rule for file in files for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def recorded() -> set[str]:
    """The names of the recording rules."""
    return {rule["record"] for rule in rules() if "record" in rule}


def named(query: str) -> set[str]:
    """The metrics of hookbus that a query names, including recorded ones."""
    return {name for name in _NAME.findall(_STRING.sub("", query)) if "hookbus" in name}


def matched(query: str) -> set[tuple[str, str]]:
    """Pairs of metric and label for every label matcher of a query."""
    chosen = re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}", _STRING.sub('""', query))
    return {(name, label) for name, inside in chosen for label in re.findall(r"(\w+)\s*[!=]", inside)}


async def exported(redis_url: str) -> dict[str, set[str]]:
    """Metric → its labels, as ingest, a worker, an exporter and a console export them once an event was handled."""
    ingest_ops, worker_ops, exporter_ops, console_at = (f"127.0.0.1:{free_port()}" for _ in range(4))
    console = Program("hookbus-worker", "console", redis_url=redis_url, HOOKBUS_WORKER_CONSOLE_LISTEN=console_at)
    exporter = Program("hookbus-worker", "exporter", redis_url=redis_url, HOOKBUS_WORKER_EXPORTER_LISTEN=exporter_ops)
    ingest = Ingest(redis_url, HOOKBUS_INGEST_OPS_LISTEN=ingest_ops)
    with ingest, Worker(redis_url, "plain", HOOKBUS_WORKER_OPS_LISTEN=worker_ops) as worker, exporter, console:
        await ingest.until_healthy()
        await worker.until_working()
        await exporter.until_logged("exporting")
        await console.until_logged("redis_connected")
        assert await post(ingest.url, "wh_1", event_body()) == (200, "accepted")
        await until(lambda: _exports(worker_ops, 'outcome="handled",type="response.completed"} 1.0'))
        pages = [await scrape(listen) for listen in (ingest_ops, worker_ops, exporter_ops, console_at)]
    found: dict[str, set[str]] = {}
    for family in [family for page in pages for family in text_string_to_metric_families(page)]:
        for suffix in SUFFIXES.get(family.type, ()):
            labels = found.setdefault(family.name + suffix, set())
            labels.update(*(each.labels for each in family.samples if each.name == family.name + suffix))
    return found


async def _exports(listen: str, words: str) -> bool:
    return words in await scrape(listen)


async def scrape(listen: str) -> str:
    """The metrics of a program, as text."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{listen}/metrics") as answer:
        return await answer.text()


def fenced(file: Path) -> list[str]:
    """The lines of the shell blocks of a Markdown file."""
    blocks = re.findall(r"```sh\n(.*?)```", file.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]
