"""A test that leaves a transport open fails, and never hangs."""

import asyncio
import socket

import pytest

from tests.loops import StrictLoop


def test_closing_a_loop_with_an_open_transport_fails_and_returns():
    first, second = socket.socketpair()
    loop = StrictLoop()
    loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=first))
    with pytest.raises(RuntimeError, match="left open: unclosed resource"):
        loop.close()
    assert second.recv(1) == b""  # closed nevertheless
    second.close()


def test_closing_a_loop_without_open_transports_succeeds():
    loop = StrictLoop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    loop.close()
