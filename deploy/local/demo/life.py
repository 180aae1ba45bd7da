"""A run of the demo: set up, run the steps, compare the figures, clean up."""

import asyncio
import signal
import time

import msgspec

from deploy.local.demo.bench import Bench
from deploy.local.demo.plan import expected
from deploy.local.demo.screen import Screen
from deploy.local.demo.stage import Stage, UnmetError
from deploy.local.demo.story import Story
from deploy.local.processes import EndedError
from hookbus.shared.command import EXIT_FAILED

PICTURE = "OpenAI ── POST ──▶ ingest ──▶ Redis streams ──▶ worker ──▶ your handlers"


async def run(screen: Screen) -> int:
    """Run the demo and return the exit code."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    began = time.monotonic()
    screen.title("hookbus", "receives webhooks, keeps them, and brings them to your handlers.", PICTURE)
    bench = Bench(width=screen.width, is_coloured=screen.is_terminal)
    try:
        bench.valkey.start()
        stage = Stage(bench, screen)
        is_complete = await _run_story(stage)
        return _conclude(stage, is_complete, time.monotonic() - began)
    finally:
        await bench.close()


async def _run_story(stage: Stage) -> bool:
    """Run all steps. Returns True when every check passed."""
    try:
        await Story(stage).run()
    except UnmetError as error:
        stage.screen.failure(error.expected, error.found, stage.bench.children)
    except EndedError as error:
        stage.screen.failure("every program runs until it is stopped", str(error), stage.bench.children)
    except TimeoutError:
        stage.screen.failure("a program that is ready within half a minute", "it is not", stage.bench.children)
    else:
        return True
    return False


def _conclude(stage: Stage, is_complete: bool, took_s: float) -> int:
    """Show the table, the verdict and the last line; return the exit code."""
    found, target = stage.ledger.figures(), expected()
    stage.book.close()
    is_ok = is_complete and found == target and found.lost == 0
    stage.screen.figures(target, found)
    verdict = (
        f"Every event is accounted for, in {took_s:.0f} s." if is_ok else f"The demo failed, after {took_s:.0f} s."
    )
    stage.screen.result(verdict, is_ok)
    figures = msgspec.structs.asdict(found)
    stage.screen.last_line({"demo": "ok" if is_ok else "failed"} | figures | {"seconds": round(took_s, 1)})
    return 0 if is_ok else EXIT_FAILED
