"""A real Valkey for every test that asks for one, empty at its start."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest
from redis.asyncio import Redis

from deploy.local.valkey import Valkey
from hookbus.shared.connection import connect
from tests import servers, tools, unit, users
from tests.loops import StrictLoop

# No deadline for a single example: the machine may be busy, and each test as a whole has its time limit.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in the background of a script: programs that the tests start would inherit it, and hear no Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

for _name in [name for name in os.environ if name.startswith(("HOOKBUS_", "OPENAI_"))]:
    _value = os.environ.pop(_name)  # the tests say themselves what the programs are told
    if _name.startswith("HOOKBUS_TESTS_"):  # but these are for us, and for pytest-xdist's processes
        os.environ[_name.removeprefix("HOOKBUS_")] = _value


def pytest_configure(config: pytest.Config) -> None:
    """An unknown tool, and a server that is not here, are mistakes of whoever asks for them."""
    config.addinivalue_line("markers", "needs(*names): what of tests.tools a test can't do without")
    config.addinivalue_line("markers", "slow: takes some 20 s; `make test-slow` runs it, `make test` does not")
    config.addinivalue_line("markers", "both_loops: what tools, which run on asyncio's own loop, use as well")
    try:
        tools.require(os.environ.get("TESTS_REQUIRE", "").replace(",", " ").split())
        servers.chosen()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests run on the loop of the programs; what holds on asyncio's own may not hold there."""
    production: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": StrictLoop}
    is_both = item.get_closest_marker("both_loops") is not None
    return production | ({"asyncio": asyncio.new_event_loop} if is_both else {})


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make unit`."""
    parser.addoption("--unit", action="store_true", help="only tests that start no server and no process")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what starts something, where that is asked for."""
    if config.getoption("--unit"):
        unit.forbid_processes()
        left_out = [item for item in items if not unit.is_unit(item)]
        items[:] = [item for item in items if unit.is_unit(item)]
        config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture: it may need the same."""
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            tools.need(name)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """A skip is no pass: what was not tried is the last thing that a run says."""
    yield
    if skipped := terminalreporter.stats.get("skipped"):
        terminalreporter.section("skipped, by reason")
        terminalreporter.write_line("\n".join(tools.counted(skipped)))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One server for the whole run; without fsync, which only slows the tests that are not about it."""
    valkey = users.guarded(tmp_path_factory.mktemp("valkey"), appendfsync="no").start()
    yield valkey
    valkey.close()


@pytest.fixture
def redis_url(server: Valkey) -> str:
    """URL of an empty database."""
    with server.client() as client:
        # Flush nobody's server but ours.
        assert client.info("server")["process_id"] == server.pid
        client.config_resetstat()
        client.acl_log_reset()
        client.config_set("maxmemory", "0")
        client.execute_command("FLUSHALL", "SYNC")  # what is freed later would disturb measurements of memory
        client.script_flush()
    return server.url


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """A client as the programs use it: raw replies, no retries."""
    client = connect(redis_url, "tests")
    yield client
    await client.aclose()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Valkey]:
    """A durable server of the test's own, to stop and kill."""
    valkey = users.guarded(tmp_path / "valkey").start()
    yield valkey
    valkey.close()
