"""A transport that a test leaves open makes it fail, and never hang."""

import asyncio
import socket

import pytest

from tests.loops import StrictLoop


def test_closing_a_loop_with_an_open_transport_fails_and_returns():
    here, there = socket.socketpair()
    loop = StrictLoop()
    loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=here))
    with pytest.raises(RuntimeError, match="left open: unclosed resource"):
        loop.close()
    assert there.recv(1) == b""  # closed all the same
    there.close()


def test_closing_a_loop_without_one_is_fine():
    loop = StrictLoop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    loop.close()
