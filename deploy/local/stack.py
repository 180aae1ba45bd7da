"""`make up`: the embedded Valkey, hookbus-ingest, hookbus-worker with the example handlers, the console, until Ctrl-C.

The order of the stop loses nothing: ingest responds to all received requests, the worker finishes its handlers, and
Valkey stops last. The stack also stops when a program ends by itself, or when the reader of its output closes the pipe.
Exit codes: 0 after Ctrl-C or SIGTERM, 1 after a failure, 78 for bad configuration, 130 after a second Ctrl-C, which
ends everything at once.
"""

import sys
from collections.abc import Sequence

EXIT_FAILED = 1
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130


def main() -> int:
    """Run the stack and return the exit code."""
    try:
        return _run()
    except BrokenPipeError:
        from hookbus.shared.command_line import unread

        return unread(EXIT_FAILED)
    except KeyboardInterrupt:  # before the event loop handles signals, such as during imports
        return EXIT_INTERRUPTED


def _run() -> int:
    import asyncio
    from pathlib import Path

    from deploy.local.home import Home
    from deploy.local.stack_life import Stack, StackError
    from hookbus.shared.screen import Screen
    from hookbus.shared.settings import ConfigError
    from hookbus.shared.valkey import InUseError

    try:
        return asyncio.run(Stack(Home(Path(".hookbus")), Screen()).run())
    except ConfigError as error:
        return _fail(error.problems, EXIT_CONFIG)
    except InUseError as error:
        return _fail([f"it runs here already: {error}"], EXIT_FAILED)
    except BrokenPipeError:
        raise
    except (StackError, RuntimeError, OSError) as error:
        return _fail([str(error)], EXIT_FAILED)


def _fail(problems: Sequence[str], code: int) -> int:
    for problem in problems:
        print(f"make up: {problem}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
