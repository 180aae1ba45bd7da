"""The frame of both command lines: exit codes, and errors in one line instead of a traceback.

0 ok · 1 failed · 2 usage (typer) · 78 configuration (sysexits.h) · 130 interrupted.

Help, completion and usage errors need neither Redis nor a log: nothing here imports them before they are needed.
"""

import contextlib
import errno
import gc
import os
import sys
from collections.abc import Callable
from typing import Annotated, Final, NoReturn

import typer
from typer.core import TyperGroup

from . import completion
from .release import VERSION

EXIT_INTERRUPTED: Final = 130
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors that only files raise, never a connection."""


def typer_app(
    name: str, about: str, *, cls: type[TyperGroup] = TyperGroup, add_completion: bool = False
) -> typer.Typer:
    """A typer app as both programs have it. Its help is plain text, which fits into any width."""
    if add_completion:
        completion.mend()
    return typer.Typer(
        name=name,
        help=about,
        cls=cls,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=add_completion,
        rich_markup_mode=None,
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
    except KeyboardInterrupt:
        sys.exit(print_error(program, "interrupted", EXIT_INTERRUPTED))
    except Exception as error:
        code = _explain(program, error)
        if code is None:
            raise
        sys.exit(code)
    finally:
        gc.freeze()  # the process ends: Python would look for garbage once more, also in what was imported late
    sys.exit(0)


def _flush() -> None:
    """Flush standard output now: a failure at Python's own exit could not be handled."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _explain(program: str, error: Exception) -> int | None:
    """Print what a user can act on, and return the exit code; None for a bug."""
    from .command import EXIT_FAILED, FailedError
    from .connection import FAULTS
    from .settings import EXIT_CONFIG, ConfigError

    if isinstance(error, ConfigError):
        for problem in error.problems:
            print_error(program, problem, EXIT_CONFIG)
        return EXIT_CONFIG
    if isinstance(error, FailedError):
        return print_error(program, str(error), EXIT_FAILED)
    if isinstance(error, BrokenPipeError):
        return unread(EXIT_FAILED)
    if isinstance(error, OSError) and error.errno in _FULL:
        return unread(print_error(program, f"can't write: {os.strerror(error.errno)}", EXIT_FAILED))
    return _explain_redis(program, error) if isinstance(error, FAULTS) else None


def _explain_redis(program: str, error: Exception) -> int:
    from .command import EXIT_FAILED
    from .fault import fault_of, is_access_refused
    from .settings import EXIT_CONFIG

    code = EXIT_CONFIG if is_access_refused(error) else EXIT_FAILED
    return print_error(program, f"Redis: {fault_of(error).detail}", code)


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
    from . import log
    from .output import printable

    log.flush()  # its lines come from a thread, and the error is the last one
    with contextlib.suppress(BrokenPipeError):
        print(f"{program}: {printable(text)}", file=sys.stderr)
    return code
