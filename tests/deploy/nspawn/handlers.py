"""The consumer inside the container, as /srv/hookbus/shop.py. Keys in Redis make its handlers misbehave."""

import ctypes
import errno
import mmap
import os
import signal
import time
from pathlib import Path

import redis

from hookbus import App, Delivery

STATE = Path(os.environ["STATE_DIRECTORY"])
client = redis.Redis("127.0.0.1")

orders = App(group="orders")


def append(kind: str, delivery: Delivery) -> None:
    with (STATE / kind).open("a") as file:
        file.write(f"{delivery.webhook_id} {delivery.attempt}\n")


@orders.on("response.completed")
async def record(event: dict, delivery: Delivery) -> None:
    append("handled", delivery)


@orders.on("response.failed", timeout=3)
async def hang(event: dict, delivery: Delivery) -> None:
    """Blocks the event loop for ever, once per `test:hang`."""
    if client.getdel("test:hang"):
        time.sleep(100_000)  # noqa: ASYNC251 - the blocking that the watchdog must notice
    append("hung", delivery)


@orders.on("response.cancelled", timeout=30)
def wait(event: dict, delivery: Delivery) -> None:
    """Sleeps in a thread."""
    append("began", delivery)
    time.sleep(float(client.get("test:seconds") or 0))
    append("ended", delivery)


@orders.on("batch.failed")
async def eat(event: dict, delivery: Delivery) -> None:
    """Ends the worker; in a quarantine process, whose parent is the worker, takes more memory than the unit may."""
    append("eaten", delivery)
    if os.getppid() == 1:
        os._exit(1)
    eaten = [bytearray(b"x") * (16 << 20) for _ in range(40)]
    append("unlimited", delivery)  # the container has no memory controller
    del eaten
    os.kill(os.getpid(), signal.SIGKILL)


@orders.on("batch.completed")
async def probe(event: dict, delivery: Delivery) -> None:
    """Tries operations that the sandbox must refuse."""
    libc = ctypes.CDLL(None, use_errno=True)
    found = {
        "writable code": _is_refused(
            lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        )
    }
    found["mount"] = libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == -1 and ctypes.get_errno() == errno.EPERM
    found["unshare"] = libc.unshare(0x10000000) == -1 and ctypes.get_errno() == errno.EPERM
    found["reboot"] = libc.syscall(169, 0, 0, 0, None) == -1 and ctypes.get_errno() == errno.EPERM
    found["write to /etc"] = _is_refused(lambda: Path("/etc/hookbus/mine").write_text(""))
    found["look into the secrets"] = _is_refused(lambda: list(Path("/etc/hookbus/secrets").iterdir()))
    found["look into the credentials of ingest"] = _is_refused(
        lambda: Path("/run/credentials/hookbus-ingest.service/redis_url").read_text()
    )
    (STATE / "probed").write_text("".join(f"{name}: {'refused' if ok else 'ALLOWED'}\n" for name, ok in found.items()))


def _is_refused(act) -> bool:
    try:
        act()
    except OSError:
        return True
    return False
