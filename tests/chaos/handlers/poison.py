"""A group whose handler kills its process for some events, in ways with and without an exception."""

import asyncio
import ctypes
import os
import resource
import signal

from hookbus import App, Delivery
from tests.chaos.handlers.scripted import record
from tests.chaos.harness.journal import BEGAN, HANDLED
from tests.deaths import WAYS

poisoned = App("poisoned")
ROOM_BYTES = 64 * 1024 * 1024
INNOCENT_S = 0.05
KILLER_S = 0.02
"""Later than the start of the innocent ones beside it, sooner than their end."""


@poisoned.on("*", concurrency=250)
async def die_for_some(event: dict, delivery: Delivery) -> None:
    record(BEGAN, delivery)
    word = event["data"]["do"][0]
    if word != "ok":
        await asyncio.sleep(KILLER_S)
        if way := WAYS.get(word):
            await way()
        {"exit": end_at_once, "segfault": read_address_0, "eat": eat_memory, "container": end_container}[word]()
    await asyncio.sleep(INNOCENT_S)
    record(HANDLED, delivery)


def end_at_once() -> None:
    """End the process without any cleanup."""
    os._exit(1)


def end_container() -> None:
    """Kill worker and quarantine process at once, as the OOM killer of a container does."""
    if os.getsid(0) == os.getpid():  # a quarantine process, which leads a session of its own
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def read_address_0() -> None:
    """Read an unmapped address."""
    ctypes.string_at(0)


def eat_memory() -> None:
    """Allocate under a limit, as a C library does that never checks the result of malloc."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_BYTES, used + ROOM_BYTES))
    while True:
        ctypes.memset(libc.malloc(1024 * 1024), 1, 1024 * 1024)
