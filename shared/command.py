"""The frame of both command lines: exit codes, and errors in one line instead of a traceback.

0 ok · 1 failed · 2 usage (typer) · 78 configuration (sysexits.h) · 130 interrupted.
"""

import asyncio
import contextlib
import errno
import itertools
import os
import platform
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, Final, NoReturn, TypeVar

import typer

from . import log
from .connection import FAULTS
from .fault import fault_of, is_access_refused
from .log_writer import FLUSH_S
from .release import VERSION
from .settings import EXIT_CONFIG, ConfigError
from .traced import name_of, text_of

EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The signals that a service handles."""
REASON_CHARS: Final = 500
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors that only files raise, never a connection."""
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


def typer_app(name: str, about: str) -> typer.Typer:
    """A typer app with the options that both programs share."""
    return typer.Typer(
        name=name, help=about, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
    )


def _show_version(is_given: bool) -> None:
    if is_given:
        print(f"hookbus {VERSION}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
]


def run(app: Callable[..., object], program: str) -> NoReturn:
    """Run a command line and exit.

    If the reader of its output is gone, as after `| head`, the program exits with 1, silently. If its output can't be
    written, as on a full disk, it prints an error.
    """
    try:
        try:
            app(prog_name=program)
        except SystemExit:  # how typer ends without an error of ours
            _flush()
            raise
    except ConfigError as error:
        for problem in error.problems:
            print_error(program, problem, EXIT_CONFIG)
        sys.exit(EXIT_CONFIG)
    except FailedError as error:
        sys.exit(print_error(program, str(error), EXIT_FAILED))
    except BrokenPipeError:
        sys.exit(unread(EXIT_FAILED))
    except FAULTS as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            sys.exit(unread(print_error(program, f"can't write: {os.strerror(error.errno or 0)}", EXIT_FAILED)))
        code = EXIT_CONFIG if is_access_refused(error) else EXIT_FAILED
        sys.exit(print_error(program, f"Redis: {fault_of(error).detail}", code))
    except KeyboardInterrupt:
        sys.exit(print_error(program, "interrupted", EXIT_INTERRUPTED))
    sys.exit(0)


def _flush() -> None:
    """Flush standard output now: a failure at Python's own exit could not be handled."""
    if sys.stdout is not None:
        sys.stdout.flush()


def unread(code: int) -> int:
    """Discard output that cannot be written, so that Python's own flush at exit does not fail. Returns `code`."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except OSError:
                os.dup2(nowhere, stream.fileno())
    return code


def print_error(program: str, text: str, code: int) -> int:
    """Print an error in one line, after the log. Returns `code`."""
    from .output import printable  # it imports rich, which a running service never needs

    log.flush()  # its lines come from a thread, and the error is the last one
    with contextlib.suppress(BrokenPipeError):
        print(f"{program}: {printable(text)}", file=sys.stderr)
    return code


def start_log(program: str, level: str) -> None:
    """Configure the log of a service, and log the release as its first line, whatever fails afterwards."""
    log.configure(level)
    log.get("command").info("starting", program=program, version=VERSION, python=platform.python_version())


class Stopping(asyncio.Event):
    """Set by SIGTERM and SIGINT."""

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
    `sys.exit(0)`, since a supervisor must not take it for a stop.
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
    runner.close()
    return result


def _listen_to_signals(stopping: Stopping) -> None:
    """Handle the signals of a service. A second Ctrl-C ends the process at once: it is deliberate."""
    loop = asyncio.get_running_loop()
    was_terminal = _is_terminal()

    def stop(number: signal.Signals) -> None:
        if stopping.is_set() and number == signal.SIGINT:
            os._exit(EXIT_INTERRUPTED)
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


def _crash(error: BaseException, runner: asyncio.Runner, started: Sequence["asyncio.Task[Any]"]) -> NoReturn:
    """Log the error, give running tasks `CRASH_S` to clean up, and exit with 1, whatever hangs or raises meanwhile."""
    log.get("command").error(
        "crashed", reason=f"{name_of(type(error))}: {text_of(error, REASON_CHARS)}", exc_info=error
    )
    deadline = threading.Timer(CRASH_S, end_now, (EXIT_FAILED,))
    deadline.daemon = True
    deadline.start()
    with contextlib.suppress(BaseException):  # the next task may raise it again
        for task in started:
            task.cancel()
            runner.get_loop().run_until_complete(asyncio.wait((task,)))
    with contextlib.suppress(BaseException):
        runner.close()
    sys.exit(EXIT_FAILED)
