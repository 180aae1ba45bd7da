"""`deploy/prometheus` and the runbook: every alert fires and is silent when it should, links to a section of the
runbook, and queries only metrics that the programs export. The cases are in `alerts/`, in the format of promtool.
"""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import tools
from tests.command_tree import require_command
from tests.exported import RULES, exported, fenced, matched, named, recorded, rules
from tests.programs import ROOT

RUNBOOK = ROOT / "deploy/RUNBOOK.md"
CASES = sorted((Path(__file__).parent / "alerts").glob("*.yml"))
ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def promtool(*args: str | Path) -> str:
    tools.need("promtool")
    done = subprocess.run(["promtool", *map(str, args)], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_accepts_the_configuration_and_all_rules():
    assert "rule files found" in promtool("check", "config", RULES / "prometheus.yml")
    named_there = yaml.safe_load((RULES / "prometheus.yml").read_text())["rule_files"]
    assert {*named_there, "prometheus.yml"} == {file.name for file in RULES.glob("*.yml")}


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_alerts_fire_and_are_silent_when_they_should(file):
    assert "SUCCESS" in promtool("test", "rules", file)


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not():
    cases = [
        case for file in CASES for test in yaml.safe_load(file.read_text())["tests"] for case in test["alert_rule_test"]
    ]
    for fires in (True, False):
        assert {case["alertname"] for case in cases if bool(case["exp_alerts"]) == fires} == set(ALERTS)


def test_each_alert_leads_to_a_section_of_the_runbook_and_each_section_belongs_to_an_alert():
    sections = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook_url"] == f"deploy/RUNBOOK.md#{name.lower()}"
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.parametrize("name", ALERTS)
def test_each_section_has_meaning_diagnosis_and_mitigation(name):
    section = RUNBOOK.read_text().split(f"## {name}\n")[1].split("\n## ")[0]
    assert re.findall(r"^\*\*(Meaning|Diagnosis|Mitigation)\.\*\*", section, re.MULTILINE) == [
        "Meaning",
        "Diagnosis",
        "Mitigation",
    ]


@pytest.mark.parametrize("line", [line for line in fenced(RUNBOOK) if line.startswith("hookbus-")])
def test_each_command_of_the_runbook_exists_with_its_options(line):
    require_command(line)


def test_links_inside_the_runbook_have_a_target():
    text = RUNBOOK.read_text()
    assert {name.lower() for name in ALERTS} >= set(re.findall(r"\]\(#(\w+)\)", text))


async def test_rules_and_cases_name_only_metrics_and_labels_that_the_programs_export(redis_url):
    labels = await exported(redis_url)
    queries = [rule["expr"] for rule in rules()]
    for file in CASES:
        queries += [
            series["series"] for test in yaml.safe_load(file.read_text())["tests"] for series in test["input_series"]
        ]
    assert set().union(*map(named, queries)) <= set(labels) | recorded()
    of_prometheus = {"job", "instance", "le"}
    for name, label in set().union(*map(matched, queries)):
        if labels.get(name):
            assert label in labels[name] | of_prometheus, name


def test_every_metric_named_in_the_runbook_exists():
    documented = recorded() | set(re.findall(r"`(hookbus_[a-z_]+)`", (ROOT / "deploy/MONITORING.md").read_text()))
    assert {
        name for words in re.findall(r"`([^`\n]+)`", RUNBOOK.read_text()) for name in named(words) if "_" in name
    } <= documented
