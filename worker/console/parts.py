"""Parts of a page that it can do without: where Redis does not tell one, the page shows the others, and says why."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from ...shared.connection import FAULTS
from ...shared.fault import fault_of
from ...shared.undecodable import UNDECODABLE

PART_S: Final = 3.0
"""How long a page waits for one of its parts: longer than any takes, and short enough to wait for."""

T = TypeVar("T")


async def read(name: str, part: Awaitable[T], unasked: dict[str, str]) -> T | None:
    """A part; None where Redis refuses it, does not answer in time, or holds what this release can't read. `unasked`
    then has its name and why."""
    try:
        async with asyncio.timeout(PART_S):
            return await part
    except TimeoutError:
        unasked[name] = f"Redis has not answered for {PART_S:g} s"
    except FAULTS as error:
        unasked[name] = fault_of(error).detail
    except UNDECODABLE as error:
        unasked[name] = f"it holds what this release can't read ({error})"
    return None
