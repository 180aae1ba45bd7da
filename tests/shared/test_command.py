import errno
import os
import socket

import pytest

from shared.command import FailedError, cannot_listen
from shared.settings import ConfigError

MAY_PASS = {
    "an address that comes late": OSError(errno.EADDRNOTAVAIL, "no such address"),
    "a process that has the port, and ends": OSError(errno.EADDRINUSE, "taken"),
    "a name server that is away": socket.gaierror(socket.EAI_AGAIN, "try again"),
    "no errno, as from asyncio of Python 3.13": OSError("could not bind on any address out of [...]"),
}
STAYS = {
    "a port that is not this user's": PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
    "a name that nobody knows": socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    "what is no name": UnicodeError("label empty or too long"),
}


@pytest.mark.parametrize("error", MAY_PASS.values(), ids=MAY_PASS)
def test_a_port_that_may_open_later_is_no_matter_of_configuration(error):
    told = cannot_listen("ops_listen: can't listen on here:1", error)
    assert isinstance(told, FailedError)
    assert str(told) == f"ops_listen: can't listen on here:1: {error.strerror or error}"


@pytest.mark.parametrize("error", STAYS.values(), ids=STAYS)
def test_a_port_that_no_waiting_opens_is_one(error):
    told = cannot_listen("ops_listen: can't listen on here:1", error)
    assert isinstance(told, ConfigError)
    assert told.problems == [f"ops_listen: can't listen on here:1: {getattr(error, 'strerror', error)}"]
