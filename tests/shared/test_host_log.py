import logging

import pytest
import structlog

from hookbus.shared import host_log, log


@pytest.fixture(autouse=True)
def a_program(monkeypatch):
    """A program that has configured nothing."""
    monkeypatch.setattr(log, "_sink", None)
    monkeypatch.setattr(log, "_host_limiter", None)
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def test_lines_go_to_logging_with_their_fields(caplog, capsys):
    caplog.set_level(logging.INFO, "hookbus")
    log.get("worker").bind(group="billing").info("parked", webhook_id="wh_1")
    [record] = caplog.records
    assert (record.name, record.levelname) == ("hookbus.worker", "INFO")
    assert record.message == "parked group=billing webhook_id=wh_1"
    assert record.hookbus == {"event": "parked", "group": "billing", "webhook_id": "wh_1"}
    assert capsys.readouterr() == ("", "")


def test_an_exception_becomes_the_one_of_the_record(caplog):
    error = ValueError("told")
    log.get("worker").error("failed", exc_info=error)
    [record] = caplog.records
    assert record.exc_info[1] is error
    assert record.message == "failed"


def test_the_level_is_that_of_the_program(caplog):
    caplog.set_level(logging.WARNING, "hookbus")
    log.get("worker").info("quiet")
    assert caplog.records == []


def test_a_program_that_has_configured_structlog_gets_them_there(caplog):
    with structlog.testing.capture_logs() as lines:
        log.get("worker").warning("held", group="billing")
    assert lines == [{"event": "held", "group": "billing", "log_level": "warning"}]
    assert caplog.records == []


def test_what_the_program_configured_may_raise():
    structlog.configure(processors=[lambda *_: 1 / 0])
    log.get("worker").warning("held")
    structlog.reset_defaults()
    host_log.write("worker", "warning", {"event": "held", "name": _Unprintable()})


class _Unprintable:
    def __str__(self) -> str:
        raise RuntimeError


def test_a_storm_is_limited_for_a_worker_inside_a_program(caplog):
    log.write_to_host()
    for _ in range(100):
        log.get("worker").warning("held", group="billing")
    assert len(caplog.records) in range(20, 41), "the second may change meanwhile"
    for _ in range(5):
        log.get("worker").warning("other")
    assert caplog.records[-1].message == "other"
