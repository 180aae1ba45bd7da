"""`deploy/grafana`: the file matches `panels`, is valid, and each query names only metrics that the programs export."""

import json
import re
import subprocess

import pytest

from deploy.grafana import dashboard
from deploy.grafana.panels import ROWS
from tests.exported import exported, matched, named, recorded

QUERIES = [query for row in ROWS for panel in row.panels for query in panel.queries.values()]


def test_the_file_matches_the_panels():
    assert dashboard.FILE.read_text() == dashboard.text(), "run python -m deploy.grafana.dashboard"


def test_panels_do_not_overlap_have_unique_ids_and_fit_the_grid():
    panels = dashboard.dashboard()["panels"]
    occupied = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= dashboard.COLUMNS
        cells = {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
        assert not cells & occupied, panel["title"]
        occupied |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_it_has_the_four_views():
    assert [row.title for row in ROWS][:4] == ["Overview", "Ingest", "Workers", "Dead letters"]


async def test_each_query_names_only_metrics_and_labels_that_the_programs_export(redis_url):
    labels = await exported(redis_url)
    assert all(map(named, QUERIES))
    assert set().union(*map(named, QUERIES)) <= set(labels) | recorded()
    for name, label in set().union(*map(matched, QUERIES)):
        if labels.get(name):
            assert label in labels[name], name


def test_each_legend_names_labels_that_its_query_keeps():
    for row in ROWS:
        for panel in row.panels:
            for legend, query in panel.queries.items():
                used = set(re.findall(r"\{\{(\w+)\}\}", legend))
                grouped_by = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", query))))
                assert used <= grouped_by or not grouped_by, (panel.title, legend)


@pytest.mark.needs("promtool")
def test_prometheus_parses_each_query(tmp_path):
    plain = [query.replace("$__rate_interval", "1m").replace("$group", ".*") for query in QUERIES]
    rules = [{"record": f"a{number}", "expr": query} for number, query in enumerate(plain)]
    (tmp_path / "rules.json").write_text(json.dumps({"groups": [{"name": "a", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", tmp_path / "rules.json"], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
