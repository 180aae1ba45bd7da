"""Fixtures: a real Valkey, empty at the start of each test, and clients. Also the options and markers of the tests."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest
from redis.asyncio import Redis

from hookbus.shared.connection import connect
from hookbus.shared.valkey import Valkey
from tests import servers, tools, unit, users
from tests.loops import StrictLoop
from tests.wait import PATIENCE_S

# No deadline per example: the machine may be busy, and each test has a time limit as a whole.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A background job of a script ignores SIGINT; the programs that tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

for _name in [name for name in os.environ if name.startswith(("HOOKBUS_", "OPENAI_"))]:
    _value = os.environ.pop(_name)  # the tests set the variables of the programs themselves
    if _name.startswith("HOOKBUS_TESTS_"):  # these are for the tests, and for the processes of pytest-xdist
        os.environ[_name.removeprefix("HOOKBUS_")] = _value


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; an unknown tool or a server that is not installed is a usage error."""
    config.addinivalue_line("markers", "needs(*names): tools of tests.tools that a test requires")
    config.addinivalue_line("markers", "slow: left out of `make test`; `make test-slow` or `make test-console` runs it")
    config.addinivalue_line("markers", "both_loops: runs on asyncio's own loop too, which the tools use")
    try:
        tools.require(os.environ.get("TESTS_REQUIRE", "").replace(",", " ").split())
        servers.chosen()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests run on the loop of the programs, as asyncio's own can behave differently."""
    production: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": StrictLoop}
    is_both = item.get_closest_marker("both_loops") is not None
    return production | ({"asyncio": asyncio.new_event_loop} if is_both else {})


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of `make unit`."""
    parser.addoption("--unit", action="store_true", help="only tests that start no server and no process")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --unit, leave out the tests that start a server or a process."""
    if config.getoption("--unit"):
        unit.forbid_processes()
        left_out = [item for item in items if not unit.is_unit(item)]
        items[:] = [item for item in items if unit.is_unit(item)]
        config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Check the required tools before any fixture, which may need them too."""
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            tools.need(name)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """A skip is no pass: the run ends with the reasons of the skipped tests."""
    yield
    if skipped := terminalreporter.stats.get("skipped"):
        terminalreporter.section("skipped, by reason")
        terminalreporter.write_line("\n".join(tools.counted(skipped)))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One server for the whole run, without fsync, which would only slow down the tests that do not depend on it."""
    valkey = users.guarded(tmp_path_factory.mktemp("valkey"), appendfsync="no").start()
    yield valkey
    valkey.close()


@pytest.fixture
def redis_url(server: Valkey) -> str:
    """URL of an empty database."""
    with server.client(PATIENCE_S) as client:
        # Never flush the server of another program.
        assert client.info("server")["process_id"] == server.pid
        client.config_resetstat()
        client.acl_log_reset()
        client.config_set("maxmemory", "0")
        client.execute_command("FLUSHALL", "SYNC")  # memory freed later would disturb measurements
        client.script_flush()
    return server.url


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """A client like that of the programs: raw replies, no retries. It waits longer, as a busy machine may take."""
    client = connect(redis_url, "tests", reply_timeout_s=PATIENCE_S)
    yield client
    await client.aclose()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Valkey]:
    """A durable server for one test, which may stop and kill it."""
    valkey = users.guarded(tmp_path / "valkey").start()
    yield valkey
    valkey.stop(signal.SIGKILL)  # nobody needs its data: a shutdown in order takes time, ten seconds during a rewrite
    valkey.close()
