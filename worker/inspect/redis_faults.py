"""Why Redis refuses writes, or soon will, from the reply of INFO: what a status tells beside its groups. Pure."""

from collections.abc import Mapping

from ...shared import memory
from ...shared.memory import NEARLY_FULL


def of(info: Mapping[str, str]) -> list[str]:
    """The faults as sentences, the gravest first."""
    found = []
    used = memory.share_of(info)
    if used >= 1:
        found.append("Redis is full: it refuses every event until maxmemory is raised or memory is freed")
    if "err" in (info.get("aof_last_write_status"), info.get("rdb_last_bgsave_status")):
        found.append("Redis can't write to its disk: look into its log, and at free space")
    if NEARLY_FULL < used < 1:
        found.append(f"Redis has used {used:.0%} of its memory: when it is full it refuses events")
    return found
