"""Admits the events of a `hookbus-worker verify` that runs: their type is a stream that no wildcard reads.

A run creates a group of its name before it posts, in the Redis that it is to prove. So a sender that makes up names
fills no Redis with streams, and a run that posts to the ingest of another Redis is refused. Costs Redis one HEXISTS in
ten seconds for a run; no other event gets here.
"""

import asyncio
import time
from typing import Final

from ..shared.connection import FAULTS, Redis
from ..shared.fault import Fault, fault_of
from ..shared.keys import HOME
from .enqueue import RefusedError
from .source_types import NotAllowedError

FRESH_S: Final = 10.0
"""A run lasts for minutes. One that has ended removed its stream, and would have to remove it again."""
MAX_RUNS: Final = 100
"""Runs that are remembered: more than ever run at once."""


class VerifyRuns:
    """The runs that have a group. One question at a time, which `timeout_s` bounds with the wait for it."""

    def __init__(self, client: Redis, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._asked_s: dict[str, float] = {}
        self._turn = asyncio.Lock()

    async def admit(self, name: str) -> None:
        """Raises NotAllowedError for the name of no run, RefusedError while Redis can't be asked."""
        if self._is_fresh(name):
            return
        try:
            async with asyncio.timeout(self._timeout_s), self._turn:
                if not self._is_fresh(name):  # else another event of the run has just asked
                    await self._ask(name)
        except TimeoutError as error:
            fault = Fault("queue_unavailable", "Redis did not answer in time whether a verify of this name runs")
            raise RefusedError(fault) from error
        except FAULTS as error:
            raise RefusedError(fault_of(error)) from error

    async def _ask(self, name: str) -> None:
        if not await self._client.execute_command("HEXISTS", HOME.groups, name):
            self._asked_s.pop(name, None)
            raise NotAllowedError(f"no run of hookbus-worker verify in this Redis is named {name!r}")
        if len(self._asked_s) >= MAX_RUNS:
            self._asked_s.clear()
        self._asked_s[name] = time.monotonic()

    def _is_fresh(self, name: str) -> bool:
        asked_s = self._asked_s.get(name)
        return asked_s is not None and time.monotonic() - asked_s < FRESH_S
