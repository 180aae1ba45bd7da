"""How full Redis is."""

from collections.abc import Mapping
from typing import Final

from .connection import Redis, parse_info
from .raw_connection import RawConnection

NEARLY_FULL: Final = 0.9
"""Share of `maxmemory` above which only what deliveries need is written: workers trim from there on."""


async def share_used(client: Redis | RawConnection) -> float:
    """Used memory as a share of `maxmemory`, 0.0 where there is no limit. Raises RedisError, OSError."""
    return share_of(parse_info(await client.execute_command("INFO", "memory")))


def share_of(info: Mapping[str, str]) -> float:
    """As `share_used`, from the reply of INFO."""
    limit = int(info.get("maxmemory", 0))
    return int(info["used_memory"]) / limit if limit else 0.0
