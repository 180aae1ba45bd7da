"""A user's module under the strict rules of mypy and pyright: what is right is clean, each mistake is an error."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import BIN, ROOT

RIGHT = """
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, assert_type

from hookbus import (
    App, Breaker, Call, Delivery, ExpiredError, Hold, Outcome, Reject, Retry, UndecodableError, run_worker,
)
from hookbus.client import Published, Publisher, PublishError
from hookbus.events import Event, ResponseCompleted
from hookbus.otel import traced


@dataclass
class State:
    pool: list[int]


@asynccontextmanager
async def lifespan(app: App) -> AsyncGenerator[State, None]:
    yield State([])


async def timed(call: Call, event: Any, delivery: Delivery) -> None:
    await call()


async def looked_at(call: Call, event: object, delivery: Delivery[State]) -> None:
    if delivery.state.pool:
        await call()


def report(delivery: Delivery, error: BaseException, outcome: Outcome) -> None:
    if isinstance(error, ExpiredError | UndecodableError) or outcome.is_dead:
        print(outcome.reason, outcome.wait_s)


async def report_async(delivery: Delivery[State], error: BaseException, outcome: Outcome) -> None:
    print(delivery.state.pool)


app = App("billing", lifespan=lifespan, around=[traced, timed, looked_at], on_failure=report, source="openai")
other = App("other", start="latest", around=(timed,), on_failure=report_async, lifespan=None)


@app.on("response.completed", retry=Retry(attempts=3), breaker=Breaker(failures=3), timeout=5, concurrency=2)
async def typed(event: ResponseCompleted, delivery: Delivery[State]) -> int:
    assert_type(delivery.state, State)
    assert_type(delivery.traceparent, str)
    if delivery.created_at is None:
        raise Hold(5)
    return len(delivery.state.pool)


@app.on("response.failed", max_age=20, breaker=None)
def plain(event: dict[str, Any]) -> None:
    raise Reject("never")


@other.on("*")
async def everything(event: Event, delivery: Delivery) -> None:
    assert_type(delivery.state, Any)


@app.on("batch.*")
async def optional(event: dict[str, Any], delivery: Delivery[State] | None = None) -> None: ...


async def called_by_a_test(delivery: Delivery[State], event: ResponseCompleted) -> None:
    assert_type(await typed(event, delivery), int)
    plain({})


async def publish(state: State) -> None:
    try:
        async with Publisher("https://example.com/webhooks/shop", "whsec_", timeout=5) as publisher:
            assert_type(await publisher.publish("order.paid", state, id="order_1"), Published)
    except PublishError as error:
        assert_type(error.status, int)


async def embedded() -> None:
    await run_worker([app, other], settings={"redis_url": "redis://localhost"}, only="response.*")
"""

WRONG = """
from collections.abc import AsyncIterator
from typing import Any

from hookbus import App, Call, Delivery, run_worker
from hookbus.client import Publisher
from hookbus.events import ResponseCompleted


async def undecorated(app: App) -> AsyncIterator[int]:
    yield 1


async def short(call: Call, event: Any) -> None: ...


def not_async(call: Call, event: Any, delivery: Delivery) -> None: ...


def two(delivery: Delivery, error: BaseException) -> None: ...


app = App("billing")
App("a", lifespan=undecorated)  # error
App("b", around=[short])  # error
App("c", around=[not_async])  # error
App("d", around=short)  # error
App("e", on_failure=two)  # error
App("f", latest=True)  # error
App("g", start="now")  # error
app.on("a", retry=3)  # error
app.on("a", retries=3)  # error
app.on("a", timeout="5")  # error


@app.on("b")  # error
async def wrong_second(event: ResponseCompleted, delivery: int) -> None: ...


@app.on("c")  # error
async def three(event: ResponseCompleted, delivery: Delivery, more: int) -> None: ...


@app.on("d")  # error
async def nothing() -> None: ...


@app.on("e")
async def right(event: ResponseCompleted, delivery: Delivery) -> int:
    return 1


async def test(event: ResponseCompleted) -> None:
    await right(event)  # error
    await run_worker(app)  # error
    await Publisher("https://example.com", "whsec_").publish("order.paid")  # error
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The package as it is installed: type checkers do not see an editable installation."""
    found = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "hookbus", found / "hookbus", ignore=shutil.ignore_patterns("__pycache__", "*.json"))
    return found


def errors(checker: str, site: Path, folder: Path) -> dict[str, set[int]]:
    """Module of a user → the lines in which a checker finds an error."""
    (folder / "right.py").write_text(RIGHT)
    (folder / "wrong.py").write_text(WRONG)
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict", "extraPaths": [str(site)]}))
    commands = {
        "mypy": ["mypy", "--strict", "--follow-imports=silent", "--python-executable", sys.executable],
        "pyright": ["basedpyright", "--level=error", "--pythonpath", sys.executable],
    }
    name, *arguments = commands[checker]
    done = subprocess.run(
        [BIN / name, *arguments, "right.py", "wrong.py"],
        cwd=folder, env={**os.environ, "MYPYPATH": str(site)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found: dict[str, set[int]] = {"right.py": set(), "wrong.py": set()}
    for module, line in re.findall(r"(\w+\.py):(\d+):.*\berror: ", done.stdout):
        found[module].add(int(line))
    assert done.returncode == 1, done.stdout + done.stderr
    return found


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_right_module_is_clean_and_each_mistake_is_an_error_in_the_editor(checker, site, tmp_path):
    """Both in one run, as most of it goes to the libraries."""
    expected = {number for number, line in enumerate(WRONG.splitlines(), 1) if line.endswith("# error")}
    assert errors(checker, site, tmp_path) == {"right.py": set(), "wrong.py": expected}
