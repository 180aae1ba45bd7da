"""Notifications to systemd (readiness, a status line, watchdog keepalives), and the sockets that it passes.

Follows sd_notify(3) and sd_listen_fds(3), https://www.freedesktop.org/software/systemd/man/latest/. The protocol is
one datagram and some variables, less than a dependency would cost: sdnotify only sends, systemd-python has to be
compiled against libsystemd. Outside systemd all of it has no effect.
"""

import math
import os
import socket
import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from . import log

BEAT_S: Final = 2.0
"""Interval of health checks; shorter if WatchdogSec requires it."""
START_BEAT_S: Final = 0.1
"""The interval before the program is ready: other units may wait for it."""
BEATS: Final = 3
"""Keepalives in one WatchdogSec, so that a late one does not end the program."""
EXTENSION_S: Final = 30
"""Time by which each keepalive extends the start. A wait for Redis may last for ever, a stall may not."""
SEND_TIMEOUT_S: Final = 1.0
FIRST_FD: Final = 3
"""SD_LISTEN_FDS_START."""


@dataclass(frozen=True, slots=True)
class Health:
    """The health of a program. Each function is called from another thread, every few seconds.

    `readiness` and `stall_reason` return "" or a reason; `status` is one line for people.
    """

    readiness: Callable[[], str]
    stall_reason: Callable[[], str]
    status: Callable[[], str]


class SystemdNotifier:
    """Reports the program's health to systemd while the context is open.

    It runs in a thread of its own, since a handler may legitimately block the event loop for longer than WatchdogSec:
    `stall_reason` decides what counts as stuck. While the program is stuck, no keepalive is sent, and systemd ends it.
    """

    def __init__(self, health: Health, environ: MutableMapping[str, str] = os.environ) -> None:
        self._health = health
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._watchdog_s = _watchdog_s(environ)
        self._is_ready = False
        self._is_leaving = False
        self._was_stalled = ""
        self._status = ""
        self._extended_s = -math.inf
        self._is_unreachable = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="systemd", daemon=True)
        self._log = log.get("systemd")

    def __enter__(self) -> "SystemdNotifier":
        if self._address:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join()

    def stopping(self) -> None:
        """Report that the stop has begun."""
        self._is_leaving = True
        self._send("STOPPING=1")

    def reloading(self) -> None:
        """Report that a reload has begun; call `reloaded` afterwards, whatever its result."""
        if self._is_ready:
            self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def reloaded(self) -> None:
        """Report that a reload has ended."""
        if self._is_ready:
            self._send("READY=1")

    def _run(self) -> None:
        between_s = beat_s(self._watchdog_s)
        while True:
            lines = self._sign(time.monotonic())
            if not self._send(*lines):  # send them again next time
                self._is_ready = self._is_ready and "READY=1" not in lines
                self._status = ""
            if self._end.wait(between_s if self._is_ready else START_BEAT_S):
                return

    def _sign(self, now_s: float) -> list[str]:
        """The lines to send now."""
        stall_reason = self._health.stall_reason()
        if stall_reason and not self._was_stalled:
            self._log.error("stalled", reason=stall_reason, effect="no more keepalives to systemd's watchdog")
        self._was_stalled = stall_reason
        lines = []
        if not self._is_ready and not self._is_leaving and self._health.readiness() == "":
            self._is_ready = True
            lines.append("READY=1")
        status = f"stalled: {stall_reason}" if stall_reason else self._health.status()
        if status != self._status:
            self._status = status
            lines.append(f"STATUS={' '.join(status.split())}")
        return lines if stall_reason else lines + self._progress(now_s)

    def _progress(self, now_s: float) -> list[str]:
        """The keepalive for the watchdog, which is active once the program is ready; before that, an extension."""
        if self._is_ready:
            return ["WATCHDOG=1"] if self._watchdog_s else []
        if self._is_leaving or now_s - self._extended_s < EXTENSION_S / BEATS:
            return []
        self._extended_s = now_s
        return [f"EXTEND_TIMEOUT_USEC={EXTENSION_S * 1_000_000}"]

    def _send(self, *lines: str) -> bool:
        """Send lines to systemd. False if that failed."""
        if not self._address or not lines:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.settimeout(SEND_TIMEOUT_S)
                out.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._is_unreachable:
                self._log.warning("systemd_unreachable", reason=error.strerror or type(error).__name__)
            self._is_unreachable = True
        else:
            self._is_unreachable = False
        return not self._is_unreachable


def beat_s(watchdog_s: float) -> float:
    """Seconds between two keepalives; a `watchdog_s` of 0 stands for no watchdog."""
    return min(BEAT_S, watchdog_s / BEATS) if watchdog_s else BEAT_S


def _address(name: str) -> str:
    """The address of a socket: a path, or an abstract name behind `@`. "" for none, or one of another kind."""
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else ""


def _watchdog_s(environ: MutableMapping[str, str]) -> float:
    """WatchdogSec, the longest pause between two keepalives; 0 without one, or if it is for another process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    return int(environ.get("WATCHDOG_USEC", "0")) / 1_000_000


def passed_sockets(environ: MutableMapping[str, str] = os.environ) -> list[tuple[str, socket.socket]]:
    """The sockets that systemd listens on for us, with their names; each can be taken once.

    The variables are removed, so that no child takes the sockets for its own.
    """
    pid, count, names = (environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if pid != str(os.getpid()):
        return []
    named = names.split(":") if names else []
    sockets = []
    for i in range(int(count or 0)):
        os.set_inheritable(FIRST_FD + i, False)
        sockets.append((named[i] if i < len(named) else "", socket.socket(fileno=FIRST_FD + i)))
    return sockets
