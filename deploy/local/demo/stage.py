"""The actions of the demo's steps: post, wait, run a tool, compare. A failed check raises UnmetError."""

import asyncio
import json
import time
from collections.abc import Callable, Collection
from typing import Final

import aiohttp

from deploy.local.demo.bench import Bench
from deploy.local.demo.ledger import Ledger
from deploy.local.demo.plan import GROUPS
from deploy.local.demo.screen import Screen
from deploy.local.processes import ending
from hookbus.shared.posting import Answer, Expected, post, signed_request
from hookbus.shared.samples import event_body
from hookbus.shared.secret import key_bytes

STEP_TIMEOUT_S: Final = 30.0
"""Most waits take less than two seconds. The longest is for a takeover: 15 s at most."""
POLL_S: Final = 0.02

ACCEPTED: Final = (200, "accepted")
TOOL: Final = "hookbus-worker"


class UnmetError(Exception):
    """A check failed."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected = expected
        self.found = found


def check(found: object, expected: object, what: str) -> None:
    """Raises UnmetError unless both are equal."""
    if found != expected:
        raise UnmetError(f"{what}: {expected}", f"{found}")


class Stage:
    """Runs actions, shows them, and enters their results in the ledger."""

    def __init__(self, bench: Bench, screen: Screen) -> None:
        self.bench = bench
        self.screen = screen
        self.book = bench.book()
        self.ledger = Ledger(self.book)
        self._key = key_bytes(bench.secret, "raw")
        self.url = ""
        self._may_be_dead: set[int] = set()

    async def post(
        self,
        event_type: str,
        body: bytes,
        expected: Expected = ACCEPTED,
        *,
        webhook_id: str = "",
        age_s: int = 0,
        is_forged: bool = False,
    ) -> Answer:
        """Sign a body and post it once on a new connection. Raises UnmetError unless the response is `expected`."""
        request = signed_request(self._key, body, webhook_id, age_s=age_s, is_forged=is_forged)
        async with aiohttp.ClientSession() as session:
            answer = await post(session, self.url, request)
        self.ledger.add_answer(event_type, body, answer)
        check((answer.status, answer.code), expected, f"answer to {event_type} {answer.detail}".strip())
        return answer

    async def send(self, event_type: str) -> Answer:
        """Post a fresh event of a type, which must be accepted."""
        return await self.post(event_type, event_body(event_type))

    async def tool(self, *arguments: str, is_shown: bool = True) -> str:
        """Run hookbus-worker with these arguments and return its output. Raises UnmetError unless it exits with 0."""
        result = await self.bench.run(TOOL, *arguments)
        if is_shown:
            self.screen.command((TOOL, *arguments), result.output)
        if result.code != 0:
            details = f"{result.code}: {result.errors or result.output}"
            raise UnmetError(f"`{TOOL} {' '.join(arguments)}` exits with 0", details)
        return result.output

    def allow_death(self, pid: int) -> None:
        """Let this program end without failing the demo."""
        self._may_be_dead.add(pid)

    async def until(self, is_so: Callable[[], bool], expected: str, found: Callable[[], object]) -> None:
        """Poll until `is_so()`. Raises UnmetError after STEP_TIMEOUT_S, or when a program ends."""
        deadline = time.monotonic() + STEP_TIMEOUT_S
        while not is_so():
            for child in self.bench.children:
                if not child.is_running and child.pid not in self._may_be_dead:
                    raise UnmetError(expected, f"{child.name} {ending(await child.wait())}")
            if time.monotonic() > deadline:
                raise UnmetError(f"{expected} within {STEP_TIMEOUT_S:g} s", str(found()))
            await asyncio.sleep(POLL_S)

    async def until_handled(self, *, but: Collection[str] = ()) -> None:
        """Wait until every group has handled all of its events, except the types `but` in billing."""

        def missing() -> dict[str, list[str]]:
            types = {group: sorted(self.ledger.missing(group).values()) for group in GROUPS}
            types["billing"] = [name for name in types["billing"] if name not in but]
            return {group: names for group, names in types.items() if names}

        await self.until(lambda: not missing(), "every event handled by every group that subscribes to it", missing)

    async def until_dead(self, expected: Collection[str]) -> None:
        """Wait until exactly these webhook-ids are dead letters, all in billing."""
        deadline = time.monotonic() + STEP_TIMEOUT_S
        while (found := await self._dead()) != {group: set(expected if group == "billing" else ()) for group in GROUPS}:
            if time.monotonic() > deadline:
                raise UnmetError(f"dead letters of billing: {sorted(expected)}", str(found))
            await asyncio.sleep(POLL_S)

    async def _dead(self) -> dict[str, set[str]]:
        lines = (await self.tool("dlq", "list", "--json", "--limit", "10000", is_shown=False)).splitlines()
        letters = [json.loads(line) for line in lines]
        found = {group: {x["webhook_id"] for x in letters if x["group"] == group} for group in GROUPS}
        for group, webhook_ids in found.items():
            self.ledger.set_dead(group, webhook_ids)
        return found
