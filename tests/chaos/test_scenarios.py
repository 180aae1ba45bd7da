"""The short form of every scenario."""

import secrets

import pytest

from tests import tools
from tests.chaos.harness import runner, scenario

KNOWN = scenario.every()
SLOW = {"poison", "poison_container", "five"}
"""A killer is dead-lettered after five deaths, each of which takes seconds to detect."""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in KNOWN])
async def test_nothing_is_lost(name: str) -> None:
    seed = secrets.randbelow(2**32)
    result = await runner.run(KNOWN[name], seed, is_short=True)
    if result.missing:
        tools.need(result.missing)
    assert result.outcome == "ok", f"make chaos ONLY={name} SEED={seed}: {result.why}\n{result.trace}{result.folder}"
