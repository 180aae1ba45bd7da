"""Tools that tests may need and that the project does not install itself: one list, with the way to get each.

A test that requires one is marked `@pytest.mark.needs("promtool")`, or calls `need`; nothing else skips a test.
`HOOKBUS_TESTS_REQUIRE=promtool,root` names required tools: without one of them its tests fail.
"""

import contextlib
import functools
import importlib.util
import os
import shutil
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests import servers
from tests.senders import libraries


@dataclass(frozen=True, slots=True)
class Tool:
    """`how` to get it; `find` returns its path, or another true value for a tool without a path."""

    how: str
    find: Callable[[], object]


def _program(name: str, package: str) -> Tool:
    return Tool(f"Debian: apt-get install {package}", functools.partial(shutil.which, name))


def _library(pattern: str) -> Path | None:
    return next(Path("/usr/lib").glob(pattern), None)


def _chromium() -> str | None:
    """Debian's Chromium, if there is also what drives it."""
    return shutil.which("chromium") if importlib.util.find_spec("playwright") else None


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


TOOLS: Final = {
    "promtool": _program("promtool", "prometheus"),
    "systemd-analyze": _program("systemd-analyze", "systemd"),
    "wrk": _program("wrk", "wrk"),
    "ps": _program("ps", "procps"),
    "bash": _program("bash", "bash"),
    "zsh": _program("zsh", "zsh"),
    "fish": _program("fish", "fish"),
    "git": _program("git", "git"),
    "openssl": _program("openssl", "openssl"),
    "buildah": _program("buildah", "buildah"),
    "debootstrap": _program("debootstrap", "debootstrap"),
    "chromium": Tool("Debian: apt-get install chromium; make .venv/ready-browser", _chromium),
    "faketime": Tool("Debian: apt-get install faketime", lambda: _library("*/faketime/libfaketimeMT.so.1")),
    "linux": Tool("it ends children with their parents", lambda: sys.platform == "linux"),
    "proc": Tool("mount -t proc proc /proc", lambda: Path("/proc/self/stat").exists()),
    "ipv6": Tool("ip link set lo up, and no net.ipv6.conf.lo.disable_ipv6", _has_ipv6),
    "senders": Tool("make .bench/senders/ready; needs npm", libraries.python),
    "python-3.12": Tool("Python 3.12 or newer; make test-pythons", lambda: sys.version_info >= (3, 12)),
    "root": Tool("run the tests as root", lambda: os.geteuid() == 0),
} | {name: Tool(servers.HOW[name], functools.partial(servers.find, name)) for name in servers.SERVERS}

_required: set[str] = set()


class MissingError(Exception):
    """A tool is missing; the message has the way to get it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no {name} ({TOOLS[name].how})")
        self.name = name


def require(names: Iterable[str]) -> None:
    """Make the absence of these tools a failure. Raises ValueError for one that is not in the list."""
    requested = set(names)
    if unknown := sorted(requested - TOOLS.keys()):
        raise ValueError(f"HOOKBUS_TESTS_REQUIRE: no such tool: {', '.join(unknown)}; there are {', '.join(TOOLS)}")
    _required.update(requested)


@functools.cache
def find(name: str) -> str:
    """The path of a tool; "True" for one without a path. Raises MissingError."""
    if not (found := TOOLS[name].find()):
        raise MissingError(name)
    return str(found)


def need(name: str) -> str:
    """Like `find`, for a test: without the tool it is skipped, or fails if the tool is required."""
    try:
        return find(name)
    except MissingError as error:
        missing = str(error)
    if name in _required:
        pytest.fail(f"{missing}, and HOOKBUS_TESTS_REQUIRE names it", pytrace=False)
    pytest.skip(missing)


def counted(reports: Iterable[pytest.TestReport]) -> list[str]:
    """The number of skipped tests per reason, one line each."""
    reasons: Counter[str] = Counter()
    for report in reports:
        assert isinstance(report.longrepr, tuple)
        reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1
    return [f"{count:5} {reason}" for reason, count in reasons.most_common()]
