"""The frame of both command lines: exit codes, and errors told in a line instead of a traceback.

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
from typing import Annotated, Any, Final, NoReturn

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
"""Those that a service listens to."""
REASON_CHARS: Final = 500
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What only files say, never a connection."""
CRASH_S: Final = 10.0
"""How long a crashed program may take to clean up: a worker's 2 s for its handlers, 5 s for its last sign of life."""


class FailedError(Exception):
    """A command did not do what it was asked to; the text says why. Exit code 1."""


def cannot_listen(where: str, error: OSError | UnicodeError) -> ConfigError | FailedError:
    """What to raise when a port can't be opened: ConfigError for a port that this user may not have, or no name.

    Anything else may pass, as an address comes late in a boot and who has the port may be about to end: then a
    supervisor has to try again, which it does not for a ConfigError.
    """
    # asyncio of Python 3.13 leaves errno and strerror out; UnicodeError is what getaddrinfo raises for "127.0..1".
    problem = f"{where}: {getattr(error, 'strerror', None) or error}"
    is_no_name = isinstance(error, UnicodeError) or (
        isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
    )
    return ConfigError([problem]) if is_no_name or isinstance(error, PermissionError) else FailedError(problem)


def typer_app(name: str, about: str) -> typer.Typer:
    """An app with the settings that both programs share."""
    return typer.Typer(
        name=name, help=about, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
    )


def _show_version(is_asked: bool) -> None:
    if is_asked:
        print(f"hookbus {VERSION}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the release and stop.")
]


def run(app: typer.Typer, program: str) -> NoReturn:
    """Run a command line and exit.

    Where nobody reads our output any more, as after `| head`, it ends with 1 and no word; where it can't be written, as
    on a full disk, it says so.
    """
    try:
        try:
            app(prog_name=program)
        except SystemExit:  # how it ends when nothing else is to be told
            _flush()
            raise
    except ConfigError as error:
        for problem in error.problems:
            _say(program, problem, EXIT_CONFIG)
        sys.exit(EXIT_CONFIG)
    except FailedError as error:
        sys.exit(_say(program, str(error), EXIT_FAILED))
    except BrokenPipeError:
        sys.exit(unread(EXIT_FAILED))
    except FAULTS as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            sys.exit(unread(_say(program, f"can't write: {os.strerror(error.errno or 0)}", EXIT_FAILED)))
        code = EXIT_CONFIG if is_access_refused(error) else EXIT_FAILED
        sys.exit(_say(program, f"Redis: {fault_of(error).detail}", code))
    except KeyboardInterrupt:
        sys.exit(_say(program, "interrupted", EXIT_INTERRUPTED))
    sys.exit(0)


def _flush() -> None:
    """Now, as Python could only complain when it ends."""
    if sys.stdout is not None:
        sys.stdout.flush()


def unread(code: int) -> int:
    """Nobody gets what is still to be written: Python's own flush at the end must not fail on it. Returns `code`."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except OSError:
                os.dup2(nowhere, stream.fileno())
    return code


def _say(program: str, text: str, code: int) -> int:
    from .output import printable  # with all of rich, which a program that runs has no use for

    with contextlib.suppress(BrokenPipeError):
        print(f"{program}: {printable(text)}", file=sys.stderr)
    return code


def start_log(program: str, level: str) -> None:
    """Configure the log of a service. Its first line is the release, whatever goes wrong afterwards."""
    log.configure(level)
    log.get("command").info("starting", program=program, version=VERSION, python=platform.python_version())


class Stopping(asyncio.Event):
    """Set by SIGTERM and SIGINT."""

    is_interactive = False
    """It was Ctrl-C: nobody's load balancer needs time to notice."""

    def __init__(self) -> None:
        super().__init__()
        self.on_hangup: Callable[[], None] = nothing_to_reload
        """What SIGHUP calls. A program that has something to read again puts it here."""


def nothing_to_reload() -> None:
    """Say that what was asked for by SIGHUP had no effect."""
    log.get("command").info("nothing_to_reload", effect="a change of configuration needs a restart")


def run_service(main: Callable[[Stopping], Coroutine[Any, Any, None]]) -> None:
    """Run a program under uvloop until done.

    It ends when `main` returns, or raises what a user can do something about. Whatever else ends it (SystemExit or
    KeyboardInterrupt out of a task, a stopped loop, a cancellation, a bug) is a crash: logged, and exit code 1 even for
    `sys.exit(0)`, as a supervisor must not take it for a stop.
    """
    import uvloop

    started: list[asyncio.Task[Any]] = []

    async def with_signals() -> None:
        started.extend(task for task in (asyncio.current_task(),) if task)
        stopping = Stopping()
        _listen_to_signals(stopping)
        await main(stopping)

    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    try:
        runner.run(with_signals())
    except (ConfigError, FailedError, *FAULTS):
        runner.close()
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it was, the process ends here
        _crash(error, runner, started)
    runner.close()


def _listen_to_signals(stopping: Stopping) -> None:
    """A second Ctrl-C ends the process at once, as one who presses it twice means it."""
    loop = asyncio.get_running_loop()
    was_terminal = _is_terminal()

    def stop(number: signal.Signals) -> None:
        if stopping.is_set() and number == signal.SIGINT:
            os._exit(EXIT_INTERRUPTED)
        stopping.is_interactive = stopping.is_interactive or number == signal.SIGINT
        stopping.set()

    def hang_up() -> None:
        if was_terminal and not _is_terminal():
            stop(signal.SIGHUP)  # somebody closed the window
        else:
            stopping.on_hangup()

    def let_the_child_go() -> None:
        # A forked child, as multiprocessing makes one, shares the socket that wakes our loop: a SIGTERM meant for it,
        # which it would not die of, would be ours.
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in SIGNALS}
    before[signal.SIGINT] = signal.default_int_handler
    os.register_at_fork(after_in_child=let_the_child_go)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    presses = itertools.count(1)

    def press(_number: int, _frame: object) -> None:
        """Beside what the loop does with it: this runs also while something blocks the loop."""
        if next(presses) > 1:
            os._exit(EXIT_INTERRUPTED)

    signal.signal(signal.SIGINT, press)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def end_now(code: int) -> NoReturn:
    """End although something still runs that would keep the process."""
    log.flush()
    flushing = threading.Thread(target=_flush_output, daemon=True)  # which waits for ever where nobody reads it
    flushing.start()
    flushing.join(FLUSH_S)
    os._exit(code)


def _flush_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _crash(error: BaseException, runner: asyncio.Runner, started: Sequence["asyncio.Task[Any]"]) -> NoReturn:
    """Say why, let what runs clean up for some seconds, and end with 1, whatever hangs or raises meanwhile."""
    log.get("command").error(
        "crashed", reason=f"{name_of(type(error))}: {text_of(error, REASON_CHARS)}", exc_info=error
    )
    deadline = threading.Timer(CRASH_S, end_now, (EXIT_FAILED,))
    deadline.daemon = True
    deadline.start()
    with contextlib.suppress(BaseException):  # it may be raised once more by the next task
        for task in started:
            task.cancel()
            runner.get_loop().run_until_complete(asyncio.wait((task,)))
    with contextlib.suppress(BaseException):
        runner.close()
    sys.exit(EXIT_FAILED)
