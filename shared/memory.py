"""How full Redis is."""

from .connection import Redis, parse_info
from .raw_connection import RawConnection


async def share_used(client: Redis | RawConnection) -> float:
    """Used memory as a share of `maxmemory`, 0.0 where there is no limit. Raises RedisError, OSError."""
    info = parse_info(await client.execute_command("INFO", "memory"))
    limit = int(info.get("maxmemory", 0))
    return int(info["used_memory"]) / limit if limit else 0.0
