"""`make demo`: hookbus end to end with real processes, shown step by step, in under a minute.

A private Valkey, hookbus-ingest and two hookbus-workers run as processes; signed requests go over HTTP; handlers
fail, a worker is killed, and everything recovers. The last line of standard output is one JSON object with the figures.
Exit codes: 0 when every figure is exactly as expected and nothing is lost, 1 when not, 130 after Ctrl-C. No process
outlives the demo.
"""

import sys

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def main() -> int:
    """Run the demo and return the exit code."""
    try:
        return _run()
    except BrokenPipeError:
        from hookbus.shared.command_line import unread

        return unread(EXIT_FAILED)
    except KeyboardInterrupt:  # before the event loop handles signals, such as during imports
        return EXIT_INTERRUPTED


def _run() -> int:
    import asyncio

    from redis.exceptions import RedisError

    from deploy.local.demo import life
    from deploy.local.demo.screen import Screen

    screen = Screen()
    try:
        return asyncio.run(life.run(screen))
    except asyncio.CancelledError:
        print("interrupted; everything is cleaned up", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (RuntimeError, RedisError) as error:
        print(f"make demo: Valkey: {error}", file=sys.stderr)
        screen.last_line({"demo": "failed"})
        return EXIT_FAILED
    except BrokenPipeError:
        raise
    except OSError as error:  # such as a full disk
        print(f"make demo: {error}", file=sys.stderr)
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
