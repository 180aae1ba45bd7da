"""How the services run: signals, crashes, and the errors that a command line prints in one line (`command_line`)."""

import asyncio
import contextlib
import itertools
import os
import platform
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NoReturn, TypeVar

from . import log
from .connection import FAULTS
from .log import FLUSH_S
from .release import VERSION
from .settings import ConfigError
from .traced import name_of, text_of

EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The signals that a service handles."""
REASON_CHARS: Final = 500
CRASH_S: Final = 10.0
"""Time that a crashed program has to clean up: a worker needs 2 s for its handlers, 5 s to end its liveness key."""


Result = TypeVar("Result")


class FailedError(Exception):
    """A command failed; the text says why. Exit code 1."""


def cannot_listen(where: str, error: OSError | UnicodeError) -> ConfigError | FailedError:
    """The error to raise when a port can't be opened: ConfigError for a forbidden port or an invalid host name.

    All other failures are transient: an address may appear late in a boot, and the process that has the port may be
    about to end. Then the supervisor should restart the process, which it does not do for a ConfigError.
    """
    # asyncio of Python 3.13 leaves errno and strerror out; UnicodeError is what getaddrinfo raises for "127.0..1".
    problem = f"{where}: {getattr(error, 'strerror', None) or error}"
    is_no_name = isinstance(error, UnicodeError) or (
        isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
    )
    return ConfigError([problem]) if is_no_name or isinstance(error, PermissionError) else FailedError(problem)


def start_log(program: str, level: str) -> None:
    """Configure the log of a service, and log the release as its first line, whatever fails afterwards."""
    log.configure(level)
    log.get("command").info("starting", program=program, version=VERSION, python=platform.python_version())


class Stopping(asyncio.Event):
    """Set by SIGTERM and SIGINT, or by the program itself."""

    is_by_signal = False
    """A signal came, before or after it was set: the process has to end."""
    is_interactive = False
    """The signal was Ctrl-C: there is no load balancer that needs time to notice the stop."""

    def __init__(self) -> None:
        super().__init__()
        self.on_hangup: Callable[[], None] = nothing_to_reload
        """Called on SIGHUP. A program that can reload configuration sets it."""


def nothing_to_reload() -> None:
    """Log that a SIGHUP had no effect."""
    log.get("command").info("nothing_to_reload", effect="a change of configuration needs a restart")


def run_service(main: Callable[[Stopping], Coroutine[Any, Any, Result]]) -> Result:
    """Run a program under uvloop until `main` ends; returns what it returns.

    `main` returns, or raises an error that a user can act on. Any other end (SystemExit or KeyboardInterrupt out of a
    task, a stopped loop, a cancellation, a bug) is a crash: it is logged, and the exit code is 1 even for
    `sys.exit(0)`, since a supervisor must not take it for a stop. Afterwards Ctrl-C raises KeyboardInterrupt again.
    """
    import uvloop

    started: list[asyncio.Task[Any]] = []

    async def with_signals() -> Result:
        started.extend(task for task in (asyncio.current_task(),) if task)
        stopping = Stopping()
        _listen_to_signals(stopping)
        return await main(stopping)

    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    try:
        result = runner.run(with_signals())
    except (ConfigError, FailedError, *FAULTS):
        runner.close()
        raise
    except BaseException as error:  # noqa: BLE001 - the process ends here
        _crash(error, runner, started)
    else:
        runner.close()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return result


def _listen_to_signals(stopping: Stopping) -> None:
    """Handle the signals of a service. A second Ctrl-C ends the process at once: it is deliberate."""
    loop = asyncio.get_running_loop()
    was_terminal = _is_terminal()

    def stop(number: signal.Signals) -> None:
        if stopping.is_by_signal and number == signal.SIGINT:
            os._exit(EXIT_INTERRUPTED)
        stopping.is_by_signal = True
        stopping.is_interactive = stopping.is_interactive or number == signal.SIGINT
        stopping.set()

    def hang_up() -> None:
        if was_terminal and not _is_terminal():
            stop(signal.SIGHUP)  # the terminal window was closed
        else:
            stopping.on_hangup()

    def reset_in_child() -> None:
        # A forked child, such as one of multiprocessing, shares the socket that wakes our loop: a SIGTERM sent to the
        # child would stop this process, and not the child.
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in SIGNALS}
    before[signal.SIGINT] = signal.default_int_handler
    os.register_at_fork(after_in_child=reset_in_child)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    presses = itertools.count(1)

    def press(_number: int, _frame: object) -> None:
        """In addition to the loop's own handler: this one runs even while something blocks the loop."""
        if next(presses) > 1:
            os._exit(EXIT_INTERRUPTED)

    signal.signal(signal.SIGINT, press)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def end_now(code: int) -> NoReturn:
    """End the process even if something still runs that would keep it."""
    log.flush()
    flushing = threading.Thread(target=_flush_output, daemon=True)  # a flush into a pipe without a reader never returns
    flushing.start()
    flushing.join(FLUSH_S)
    os._exit(code)


def _flush_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


class CrashExit(SystemExit):
    """The end of a crashed program, which is ended in `CRASH_S` whatever keeps it."""

    def __init__(self) -> None:
        super().__init__(EXIT_FAILED)
        self._deadline = threading.Timer(CRASH_S, end_now, (EXIT_FAILED,))
        self._deadline.daemon = True
        self._deadline.start()

    def survive(self) -> None:
        """The process goes on."""
        self._deadline.cancel()


def _crash(error: BaseException, runner: asyncio.Runner, started: Sequence["asyncio.Task[Any]"]) -> NoReturn:
    """Log the error, give running tasks `CRASH_S` to clean up, and exit with 1, whatever hangs or raises meanwhile."""
    log.get("command").error(
        "crashed", reason=f"{name_of(type(error))}: {text_of(error, REASON_CHARS)}", exc_info=error
    )
    end = CrashExit()
    runner.get_loop().set_exception_handler(_other_than(error))
    with contextlib.suppress(BaseException):  # the next task may raise it again
        for task in started:
            task.cancel()
            runner.get_loop().run_until_complete(asyncio.wait((task,)))
    with contextlib.suppress(BaseException):
        runner.close()
    raise end


def _other_than(error: BaseException) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """A handler of a loop that reports all but this error: a task that nobody awaited tells of it when it is freed."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("exception") is not error:
            loop.default_exception_handler(context)

    return handle
