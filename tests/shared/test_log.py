"""Each test runs a process of its own, since logging is configured per process."""

import json
import os
import pty
import subprocess
import sys

import pytest
import structlog

from hookbus.shared import log

PROGRAM = """
import logging
from hookbus.shared import log
log.configure({level!r})
logger = log.get("test").bind(webhook_id="wh_1")
{body}
"""
FAIL = """
def handler(body):
    secret = "hunter2"
    raise ValueError("told")
try:
    handler(b"private")
except ValueError as error:
    logger.error("failed", exc_info=error)
    logging.getLogger("library").exception("failed too")
"""


def run(body: str, level: str = "info", stderr: int = subprocess.PIPE) -> str:
    program = PROGRAM.format(level=level, body=body)
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=stderr, check=True, text=True)
    assert done.stdout == ""
    return done.stderr or ""


def on_terminal(body: str) -> str:
    terminal, program_end = pty.openpty()
    try:
        run(body, stderr=program_end)
        return os.read(terminal, 1_000_000).decode()
    finally:
        os.close(program_end)
        os.close(terminal)


def test_lines_are_json_unless_standard_error_is_a_terminal():
    (line,) = run('logger.info("stored", type="x")').splitlines()
    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert found == {"event": "stored", "level": "info", "webhook_id": "wh_1", "type": "x"}


def test_records_of_libraries_become_the_same_lines():
    (line,) = run('logging.getLogger("library").warning("hm %s", 1)').splitlines()
    assert json.loads(line)["event"] == "hm 1"


@pytest.mark.parametrize(("level", "count"), [("debug", 3), ("info", 2), ("warning", 1), ("error", 0)])
def test_the_level_is_respected(level, count):
    body = 'logger.debug("a"); logger.info("b"); logging.getLogger("c").warning("c")'
    assert len(run(body, level).splitlines()) == count


def test_a_traceback_is_one_json_line_and_holds_no_local_variables():
    lines = run(FAIL).splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["failed", "failed too"]
    for line in lines:
        assert "told" in line
        assert "handler" in line
        assert "hunter2" not in line
        assert "private" not in line


def test_a_terminal_gets_readable_lines():
    text = on_terminal('logger.info("stored", type="x")')
    assert "stored" in text
    assert "\x1b[" in text
    assert not text.startswith("{")


def test_a_traceback_on_a_terminal_holds_no_local_variables():
    text = on_terminal(FAIL.replace('"hunter2"', '"hun" + "ter2"').replace('b"private"', 'b"pri" + b"vate"'))
    assert "told" in text
    assert "hunter2" not in text
    assert "private" not in text


def test_a_flood_of_one_event_is_cut_and_the_next_line_counts_the_suppressed():
    body = """
import time
for i in range(500):
    logger.error("dead_letter", group="a")
logger.error("dead_letter", group="b")
logger.warning("takeover", group="a")
time.sleep(1.1)
logger.error("dead_letter", group="a")
"""
    lines = [json.loads(line) for line in run(body).splitlines()]
    storm = [line for line in lines if line["event"] == "dead_letter" and line["group"] == "a"]
    assert len(storm) < 100
    assert len(storm) + storm[-1]["suppressed"] == 501 - sum(line.get("suppressed", 0) for line in storm[:-1])
    assert [(line["event"], line["group"]) for line in lines[-3:-1]] == [("dead_letter", "b"), ("takeover", "a")]


def test_debug_lines_are_all_written():
    body = """
for i in range(200):
    logger.debug("handled")
"""
    assert len(run(body, "debug").splitlines()) == 200


@pytest.mark.parametrize(("level", "expected"), [("debug", True), ("info", False)])
def test_is_debug_returns_whether_debug_lines_are_written(level, expected):
    assert json.loads(run('logger.error("asked", is_debug=log.is_debug())', level))["is_debug"] is expected


CHANGES_TO_LOGGING = {
    "another structlog configuration": "structlog.configure(processors=[structlog.processors.KeyValueRenderer()])",
    "a processor that raises": "structlog.configure(processors=[lambda *_: 1 / 0])",
    "logging switched off": "logging.disable(logging.CRITICAL); logging.getLogger().setLevel(100)",
    "a configuration of logging": "logging.config.dictConfig({'version': 1})",
    "a handler that raises": "logging.getLogger().handlers = [logging.Handler()]",
    "a record factory that raises": "logging.setLogRecordFactory(lambda *_, **__: 1 / 0)",
    "a standard error of its own": "import io, sys; sys.stderr = io.StringIO()",
    "a standard error that it closes": "import os; os.close(2)",
}


@pytest.mark.parametrize("change", CHANGES_TO_LOGGING.values(), ids=CHANGES_TO_LOGGING)
def test_changes_of_user_code_to_logging_leave_our_lines_unchanged(change):
    before = json.loads(run('logger.info("stored", type="x")'))
    after = json.loads(run(f'import logging.config, structlog\n{change}\nlogger.info("stored", type="x")'))
    assert after | {"timestamp": ""} == before | {"timestamp": ""}


def test_lines_of_users_carry_bound_context_through_structlog_and_logging():
    body = """
import structlog
structlog.contextvars.bind_contextvars(webhook_id="wh_2")
structlog.get_logger().info("mine", a=1)
logging.getLogger("mine").warning("mine too")
"""
    lines = [json.loads(line) for line in run(body).splitlines()]
    assert [(line["event"], line["webhook_id"]) for line in lines] == [("mine", "wh_2"), ("mine too", "wh_2")]


def test_a_value_without_a_repr_is_reported_as_unreadable():
    line = json.loads(run('logger.error("failed", odd=type("Odd", (), {"__repr__": lambda _: 1 / 0})())'))
    assert (line["event"], line["level"], line["unreadable"]) == ("failed", "error", "ZeroDivisionError")


def test_an_exception_that_cannot_be_formatted_has_a_traceback_all_the_same():
    body = """
try:
    raise SyntaxError("odd", ("f", 1, 1, 5))
except SyntaxError as error:
    logger.error("failed", exc_info=error)
"""
    assert "Traceback" in json.loads(run(body))["exception"]


def test_a_closed_standard_error_stops_nothing():
    program = PROGRAM.format(level="info", body='logger.info("stored"); print("went on")')
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "-", sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "went on\n"


def test_before_configuration_our_lines_go_through_structlog():
    with structlog.testing.capture_logs() as logs:
        log.get("test").bind(webhook_id="wh_1").info("stored", type="x")
    assert logs == [{"webhook_id": "wh_1", "type": "x", "event": "stored", "log_level": "info"}]


def test_a_structlog_configuration_of_a_user_can_merge_the_delivery():
    body = """
import structlog
structlog.configure(processors=[log.merge_delivery, structlog.processors.JSONRenderer()],
                    logger_factory=structlog.PrintLoggerFactory(file=__import__("sys").stderr))
log.bind_delivery({"webhook_id": "wh_2", "attempt": 1})
structlog.get_logger().info("mine", attempt="my own")
"""
    assert json.loads(run(body)) == {"webhook_id": "wh_2", "attempt": "my own", "event": "mine"}
