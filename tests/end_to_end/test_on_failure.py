"""`on_failure` in the real program, in a worker and in a quarantine process."""

from tests.end_to_end.test_quarantine import suspect
from tests.programs import Worker
from tests.wait import until
from tests.worker.builders import store

MODULE = """
import os
from hookbus import App, Delivery, Outcome, Retry

async def report(delivery: Delivery, error: BaseException, outcome: Outcome) -> None:
    line = f"reported {os.getpid()} {delivery.webhook_id} {delivery.attempt} {error!r} {outcome.is_dead}\\n"
    os.write(1, line.encode())  # in one piece: two processes write here

app = App("suspected", on_failure=report)

@app.on("response.*", retry=Retry(attempts=3, base=0.05))
def handle(event: dict) -> None:
    raise ValueError("no")
"""


async def test_every_failed_attempt_is_reported_once_by_the_process_that_ran_it(redis_url, client, tmp_path):
    (tmp_path / "mine.py").write_text(MODULE)
    await suspect(client, wh_1="ok")
    with Worker(redis_url, "mine:app", cwd=tmp_path) as worker:
        await store(client, "wh_2")
        await until(lambda: len([line for line in worker.raw if line.startswith("reported")]) == 6)
        assert await worker.end() == 0
    lines = sorted(line.split()[1:] for line in worker.raw if line.startswith("reported"))
    assert sorted((name, attempt, error, dead) for _, name, attempt, error, dead in lines) == [
        (name, attempt, "ValueError('no')", str(attempt == "3")) for name in ("wh_1", "wh_2") for attempt in "123"
    ]
    first = next(pid for pid, name, attempt, *_ in lines if (name, attempt) == ("wh_1", "1"))
    assert first != str(worker.process.pid)
