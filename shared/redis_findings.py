"""Findings about a Redis, each with its remedy, from its observed state. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from . import keys, output
from .command import EXIT_FAILED
from .fault import ACCESS, ONE_SERVER, Fault, fault_of, faults_of, is_access_refused
from .finding import Finding
from .fsync import UNOBSERVED
from .headroom import Headroom
from .redis_report import SAVE_FAILED, RedisReport
from .server import Server
from .settings import EXIT_CONFIG
from .stream_report import SeenStream
from .tls import Tls

MAX_SKEW_S: Final = 5.0
"""Largest difference between our clock and Redis'. Signatures may be 300 s old; NTP keeps it to milliseconds."""
LITTLE_ROOM_S: Final = 3600.0
"""Headroom below which a warning is due: an hour for a person to wake up and look (a guess)."""
CONFIG_UNKNOWN: Final = Finding(
    0,
    "config_unknown",
    "CONFIG is refused: it is unknown what Redis would keep through a crash",
    "allow the user config|get, or ask the operator of this Redis for its persistence",
)
FSYNC_NOT_OBSERVED: Final = Finding(
    0,
    "fsync_not_observed",
    f"only Redis' settings show whether a write is on its disk: {UNOBSERVED}",
    "upgrade Redis, and allow the user the commands that deploy/redis/users.rules allows ingest",
)


def refusal(error: Exception, url: str) -> Finding:
    """The finding for an error of a Redis call. `url` holds no password."""
    if is_access_refused(error):
        return Finding(EXIT_CONFIG, "access_refused", str(error), ACCESS)
    fault = fault_of(error)
    if fault.code == "not_durable":
        action = "check Redis' disk, log and replicas: it refuses writes"
        return Finding(EXIT_CONFIG, fault.code, fault.detail, action)
    if fault.code == "overloaded":
        return Finding(EXIT_FAILED, fault.code, fault.detail, "raise maxmemory, or let workers catch up")
    action = f"make sure that Redis runs at {url} and has loaded its data"
    return Finding(EXIT_CONFIG if fault.cure else EXIT_FAILED, fault.code, fault.detail, fault.cure or action)


def of_wrong_server(problem: str) -> Finding:
    """The finding for a server that this release or configuration must not touch."""
    action = "use the settings that the data were written with, or another Redis database"
    if "Sentinel" in problem:
        action = "set redis_url to the primary, or to an address that follows it"
    elif "too old" in problem:
        action = "upgrade Redis to 7.0 or newer, or use Valkey 8 or newer"
    elif "data layout" in problem:
        newer = "a newer release of hookbus wrote these data: upgrade this one, or roll the data back"
        older = "stop all workers of the older release, then start one of this one: CHANGELOG.md has the order"
        layout = int(problem.partition("data layout ")[2].split()[0])
        action = newer if layout > keys.LAYOUT else older
    return Finding(EXIT_CONFIG, "wrong_redis", problem, action)


def faults(server: Server, durability: str, *, is_unsafe: bool) -> list[Finding]:
    """A finding for each fault in a server's state and configuration."""
    is_wrong = server.info.get("role") != "master"
    findings = [of_fault(fault, is_unsafe=is_unsafe, is_wrong=is_wrong) for fault in faults_of(server, durability)]
    return findings if server.config else [*findings, CONFIG_UNKNOWN]


def of_fault(fault: Fault, *, is_unsafe: bool = False, is_wrong: bool = False) -> Finding:
    """The finding for a fault. `is_wrong`: the cause is the configuration, not a transient failure."""
    if fault.code == "not_durable" and is_unsafe:
        action = "unsafe_redis is on, so ingest returns 200 all the same: never in production"
        return Finding(0, fault.code, fault.detail, action)
    exit_code = EXIT_CONFIG if fault.code == "not_durable" or is_wrong else EXIT_FAILED
    return Finding(exit_code, fault.code, fault.detail, fault.cure or "check Redis' log")


def warnings(redis: RedisReport) -> list[Finding]:
    """Problems that do not yet stop either program."""
    findings = []
    if redis.maxmemory_bytes == 0:
        action = "set maxmemory, so that Redis refuses writes (503, the sender retries) before the kernel kills it"
        findings.append(Finding(0, "maxmemory_unlimited", "Redis may take all memory of its machine", action))
    if not redis.can_save:
        findings.append(Finding(0, "last_save_failed", *SAVE_FAILED))
    if abs(redis.clock_skew_ms) > MAX_SKEW_S * 1000:
        problem = f"Redis' clock and ours differ by {abs(redis.clock_skew_ms) / 1000:.0f} s"
        action = "synchronize both by NTP: with a wrong clock here, ingest refuses fresh signatures as stale"
        findings.append(Finding(0, "clock_skew", problem, action))
    return findings


def in_cluster(info: Mapping[str, str]) -> list[Finding]:
    """A warning for a cluster node: one that holds all slots works like any server, until slots move."""
    if info.get("cluster_enabled") != "1":
        return []
    problem = "a cluster node: it works only while it holds the slots of all keys of hookbus"
    return [Finding(0, "cluster_node", problem, ONE_SERVER)]


def expiring(tls: Tls, now_s: float) -> list[Finding]:
    """A warning for each certificate that should have been renewed by now: once it expires, connections fail."""
    whose = {"Redis' certificate": tls.server, "our certificate (redis_cert_file)": tls.client()}
    return [
        Finding(
            0,
            "certificate_expires",
            f"{name} expires in {output.age(max(0.0, validity.ends_s - now_s))}",
            "renew it; the files are read again for each connection, so no restart is needed",
        )
        for name, validity in whose.items()
        if validity is not None and validity.ends_soon(now_s)
    ]


def little_room(room: Headroom | None) -> list[Finding]:
    """A warning if memory runs out soon at the present rate."""
    if room is None or room.lasts_s is None or room.lasts_s >= LITTLE_ROOM_S:
        return []
    lasts = output.age(room.lasts_s)
    problem = f"memory for {room.events:,} more events: {lasts} at the present rate, if none is handled"
    action = "raise maxmemory, start workers, or lower worker.retention_events"
    return [Finding(0, "low_headroom", problem, action)]


def of_streams(streams: list[SeenStream], now_ms: int) -> Iterator[Finding]:
    """A finding for each stream that accepts no events, or whose last id lies in the future."""
    for stream in streams:
        name = output.line(stream.key)
        if stream.error:
            action = "find out what wrote it (TYPE shows its type), and rename it: events of this type get a 503"
            yield Finding(EXIT_FAILED, "bad_stream", f"{name} accepts no events: {stream.error}", action)
        elif stream.is_used_up:
            action = "move its events elsewhere (replay them later), and delete it: events of this type get a 503"
            yield Finding(EXIT_FAILED, "bad_stream", f"{name} accepts no events: its ids are used up", action)
        elif stream.last_ms - now_ms > MAX_SKEW_S * 1000:
            ahead = output.age((stream.last_ms - now_ms) / 1000)
            action = "synchronize Redis' clock by NTP; nothing is lost: until then new events get ids of that same time"
            yield Finding(0, "ids_ahead", f"the last id of {name} is {ahead} ahead of Redis' clock", action)
