"""Circuits of several processes, at a time that the test sets."""

import functools

import pytest

from tests.worker.process_of_one import Process


@pytest.fixture
def now():
    """Redis' time, which the test advances."""
    return [1_000_000]


@pytest.fixture
def a_process(client, now):
    return functools.partial(Process, client, now)
