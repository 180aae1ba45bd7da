"""Many whole workers in one process: each has its own consumer, connections and duties, and one app in common.

A fleet of a hundred processes would take a hundred interpreters and their memory; Redis sees no difference.

python -m tests.bench.sides.fleet WORKERS MODULE:APP, with HOOKBUS_REDIS_URL
"""

import asyncio
import json
import resource
import sys

from hookbus.shared.command import Stopping, run_service
from hookbus.worker.run import groups_of
from hookbus.worker.settings import load_settings
from hookbus.worker.supervise import Worker
from tests.wait import until


def main(workers: int, target: str) -> None:
    """Run until killed; prints `ready` once all workers read."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    settings = load_settings(None)
    groups = groups_of(settings, [target])

    async def work(stopping: Stopping) -> None:
        fleet = [Worker(settings, groups, "", stopping) for _ in range(workers)]
        running = [asyncio.create_task(worker.run()) for worker in fleet]
        await until(lambda: all(worker.readiness() == "" for worker in fleet), what="a ready fleet")
        print(json.dumps({"event": "ready"}), flush=True)
        await asyncio.gather(*running)

    run_service(work)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
