"""The demo's steps, in order. Each checks the facts that it shows."""

import asyncio
import signal
import time
from itertools import groupby
from typing import Final

from deploy.local.demo import plan
from deploy.local.demo.book import Note
from deploy.local.demo.stage import Stage, check
from deploy.local.processes import Child
from hookbus.ingest.send import STALE_S
from hookbus.shared.samples import event_body

WORKERS: Final = ("worker A", "worker B")


class Story:
    """One run of all steps. Keeps the ids that later steps need."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._screen = stage.screen
        self._ledger = stage.ledger
        self._long_id = ""
        self._flaky_id = ""
        self._broken_ids: list[str] = []
        self._killed: Child | None = None
        self._killed_at = 0.0

    async def run(self) -> None:
        """Run all steps. Raises UnmetError, EndedError."""
        await self._start()
        await self._real_delivery()
        await self._kill_a_worker()
        await self._every_type()
        await self._refusals()
        await self._flaky_handler()
        await self._broken_handler()
        await self._dead_letters()
        await self._takeover()
        await self._stop()

    async def _start(self) -> None:
        self._screen.step("Start", "the real programs on a private, temporary Valkey")
        bench = self._stage.bench
        self._stage.url, _ = await asyncio.gather(bench.start_ingest(), bench.start_workers(*WORKERS))
        self._screen.fact(f"hookbus-ingest listens on {self._stage.url}")
        self._screen.fact(f"hookbus-worker runs twice, as {' and '.join(WORKERS)}, for two groups:")
        self._screen.remark("billing  subscribes to response.*, batch.*, video.*, realtime.call.incoming")
        self._screen.remark("audit    subscribes to *")

    async def _real_delivery(self) -> None:
        self._screen.step("One delivery", "that OpenAI really sent, signed again for today")
        answer = await self._stage.post(plan.REAL_TYPE, plan.REAL_BODY, webhook_id=plan.REAL_ID)
        self._screen.posted(plan.REAL_TYPE, answer)
        await self._stage.until_handled()
        self._screen.fact("stored on disk before the response; then handled by billing and by audit")

    async def _kill_a_worker(self) -> None:
        self._screen.step("A worker is killed", "in the middle of a handler")
        answer = await self._stage.post(plan.LONG_TYPE, event_body(plan.LONG_TYPE, {"id": plan.LONG_ID}))
        self._long_id = answer.webhook_id
        self._screen.posted(plan.LONG_TYPE, answer)
        await self._stage.until(lambda: bool(self._long_starts()), "a worker that runs the handler", self._long_starts)
        self._killed = self._stage.bench.child(self._long_starts()[0].pid)
        self._stage.allow_death(self._killed.pid)
        self._screen.happening(f"{self._killed.name} is in the middle of it: kill -9 {self._killed.pid}")
        self._killed.signal(signal.SIGKILL)
        self._killed_at = time.time()
        await self._killed.wait()
        self._screen.fact("the event is still stored and not settled; the takeover follows below")

    async def _every_type(self) -> None:
        types = (*plan.TYPES, plan.UNKNOWN_TYPE)
        self._screen.step(f"Every type: {len(plan.TYPES)}", "that OpenAI documents, and an unknown one")
        answers = {name: await self._stage.send(name) for name in types}
        self._flaky_id = answers[plan.FLAKY_TYPE].webhook_id
        self._broken_ids.append(answers[plan.BROKEN_TYPE].webhook_id)
        for family, members in groupby(types, lambda name: name.partition(".")[0]):
            self._screen.listed(f"{family}.", [name.removeprefix(f"{family}.") for name in members])
        slowest_ms = max(answer.latency_ms for answer in answers.values())
        self._screen.fact(f"{len(answers)} × 200 accepted, the slowest in {slowest_ms:.0f} ms")
        await self._stage.until_handled(but=self._unready())
        for group in plan.GROUPS:
            handled, due = len(self._ledger.handled(group)), len(self._ledger.due(group))
            missing = ", ".join(sorted(set(self._ledger.missing(group).values())))
            suffix = f"; not yet {missing}" if missing else ""
            self._screen.fact(f"{group} has handled {handled} of {due} so far{suffix}")

    async def _refusals(self) -> None:
        self._screen.step("Duplicates and refusals", "of stale, forged and oversized requests")
        body = event_body("response.completed")
        duplicate, stale, forged = (200, "duplicate"), (400, "timestamp_stale"), (401, "signature_mismatch")
        post, show = self._stage.post, self._screen.posted
        first = await post(plan.REAL_TYPE, plan.REAL_BODY, duplicate, webhook_id=plan.REAL_ID)
        show("the first delivery again", first)
        show("signed ten minutes ago", await post("a stale request", body, stale, age_s=STALE_S))
        show("signed with another secret", await post("a forged request", body, forged, is_forged=True))
        large = b" " * (plan.TOO_LARGE_BYTES - len(body)) + body
        show("larger than 1 MiB", await post("an oversized request", large, (413, "body_too_large")))

    async def _flaky_handler(self) -> None:
        self._screen.step("A handler fails twice,", f"then works: {plan.FLAKY_TYPE} in billing")
        await self._stage.until_handled(but={plan.BROKEN_TYPE, plan.LONG_TYPE})
        attempts = self._ledger.attempts(self._flaky_id, "billing")
        check([note.attempt for note in attempts], list(range(1, plan.FLAKY_FAILURES + 2)), "attempts")
        for note, before in zip(attempts, (None, *attempts), strict=False):
            when = f"{note.at - before.at:.2f} s later" if before else "at once"
            if note.attempt <= plan.FLAKY_FAILURES:
                self._screen.happening(f"attempt {note.attempt}, {when}: failed")
            else:
                self._screen.fact(f"attempt {note.attempt}, {when}: handled")

    async def _broken_handler(self) -> None:
        self._screen.step("A handler has a bug:", f"{plan.BROKEN_TYPE} in billing")
        for _ in range(plan.BROKEN_EVENTS - 1):
            answer = await self._stage.send(plan.BROKEN_TYPE)
            self._screen.posted(plan.BROKEN_TYPE, answer)
            self._broken_ids.append(answer.webhook_id)
        await self._stage.until_dead(self._broken_ids)
        for webhook_id in self._broken_ids:
            attempts = [note.attempt for note in self._ledger.attempts(webhook_id, "billing")]
            check(attempts, list(range(1, plan.BROKEN_ATTEMPTS + 1)), f"attempts of {webhook_id}")
        many = len(self._broken_ids)
        self._screen.fact(f"{many} events failed {plan.BROKEN_ATTEMPTS} times each: dead letters, and nothing is lost")

    async def _dead_letters(self) -> None:
        self._screen.step("Dead letters", "are inspected, and redriven once the bug is fixed")
        await self._stage.tool("dlq", "list")
        await self._stage.tool("dlq", "groups")
        self._screen.happening("the bug is fixed")
        self._stage.book.fix()
        await self._stage.tool("dlq", "redrive", "--group", "billing", "--type", plan.BROKEN_TYPE)
        await self._stage.until_handled(but={plan.LONG_TYPE})
        await self._stage.until_dead(())
        self._screen.fact(f"all {len(self._broken_ids)} handled, no dead letters")

    async def _takeover(self) -> None:
        assert self._killed is not None
        self._screen.step("Takeover", f"of the delivery in flight in {self._killed.name}: {plan.LONG_TYPE} in billing")
        with self._screen.waiting("waiting for the takeover"):
            await self._stage.until_handled()
        starts = self._long_starts()
        check(len(starts), 2, "starts of its handler")
        claimant = self._stage.bench.child(starts[1].pid)
        after_s = starts[1].at - self._killed_at
        self._screen.fact(f"{claimant.name} took it over {after_s:.1f} s after the kill, and has handled it")

    async def _stop(self) -> None:
        self._screen.step("Stop and count:", "notes of the handlers against responses of ingest")
        await self._stage.until_dead(())
        check(await self._stage.bench.stop(), [], "programs that did not stop in order")
        check(self._ledger.strangers(), [], "handled events that were never sent, or changed")

    def _long_starts(self) -> list[Note]:
        return self._ledger.attempts(self._long_id, "billing")

    @staticmethod
    def _unready() -> set[str]:
        """Types whose handlers do not work yet."""
        return {plan.FLAKY_TYPE, plan.BROKEN_TYPE, plan.LONG_TYPE}
