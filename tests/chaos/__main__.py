"""`make chaos`: runs scenarios one after the other, prints a table, and one JSON object as the last line.

python -m tests.chaos [--only NAME] [--seed N] [--short] [--list] [--peers]
"""

import argparse
import asyncio
import json
import random
import signal
import sys
from collections.abc import Sequence

from tests.chaos.harness import runner, scenario, table
from tests.chaos.harness.runner import Result
from tests.chaos.scenarios import five


def main() -> int:
    """Returns the exit code: 0 when every scenario passed."""
    parser = argparse.ArgumentParser(
        prog="make chaos",
        usage="make chaos [ONLY=name,...] [SEED=n] [PEERS=1], or python -m tests.chaos [options]",
        description="Breaks programs under load, and counts deliveries.",
    )
    parser.add_argument("--only", default="", help="names of scenarios, separated by commas")
    parser.add_argument("--seed", type=int, default=None, help="repeats the plan of an earlier run")
    parser.add_argument("--short", action="store_true", help="the forms that run among the tests")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    parser.add_argument("--peers", action="store_true", help="try the five questions on other projects, too")
    options = parser.parse_args()
    known = scenario.every()
    if options.list:
        table.print_scenarios(known.values())
        return 0
    names = list(dict.fromkeys(options.only.replace(",", " ").split())) or list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(known)}")
    if options.peers and (options.short or "five" not in names):
        parser.error("--peers needs the full form of `five`")
    seed = random.randrange(2**32) if options.seed is None else options.seed
    results = []
    table.print_head(seed)
    for name in names:
        table.print_start(name)
        results.append(asyncio.run(runner.run(known[name], seed, is_short=options.short)))
        table.print_result(results[-1])
    summary = table.summary(results)
    is_written = not options.peers or compare_five(results)
    print(json.dumps(summary), flush=True)
    return 0 if summary["chaos"] == "ok" and is_written else 1


def compare_five(results: Sequence[Result]) -> bool:
    """Whether the comparison with other projects was written; false also if hookbus's own answers are not good."""
    [result] = [result for result in results if result.name == "five"]
    return result.outcome == "ok" and asyncio.run(five.with_peers(result.report))


if __name__ == "__main__":
    # SIGTERM is Ctrl-C too, also where a shell that put us into the background has SIGINT ignored: asyncio then cancels
    # the scenario, and its programs end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
