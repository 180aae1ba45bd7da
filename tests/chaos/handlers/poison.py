"""A group whose handler dies of some events, in ways that no exception handler sees and in those that one could."""

import asyncio
import ctypes
import os
import resource

from hookbus import App, Delivery
from tests.chaos.handlers.scripted import note
from tests.chaos.harness.journal import BEGAN, HANDLED
from tests.deaths import WAYS

poisoned = App("poisoned")
ROOM_BYTES = 64 * 1024 * 1024
INNOCENT_S = 0.05
KILLER_S = 0.02
"""Later than the start of those beside it, sooner than their end."""


@poisoned.on("*", concurrency=250)
async def die_of_some(event: dict, delivery: Delivery) -> None:
    note(BEGAN, delivery)
    word = event["data"]["do"][0]
    if word != "ok":
        await asyncio.sleep(KILLER_S)
        if way := WAYS.get(word):
            await way()
        {"exit": end_at_once, "segfault": read_nothing, "eat": eat_memory}[word]()
    await asyncio.sleep(INNOCENT_S)
    note(HANDLED, delivery)


def end_at_once() -> None:
    """No cleaning up."""
    os._exit(1)


def read_nothing() -> None:
    """Read where no memory is."""
    ctypes.string_at(0)


def eat_memory() -> None:
    """As a C library does that never looks at what malloc returns, under a limit."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_BYTES, used + ROOM_BYTES))
    while True:
        ctypes.memset(libc.malloc(1024 * 1024), 1, 1024 * 1024)
