"""What follows from what was seen of a Redis, as findings with their cures. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from . import keys, output
from .command import EXIT_FAILED
from .fault import ACCESS, ONE_SERVER, Fault, fault_of, faults_of, is_access_refused
from .finding import Finding
from .fsync import UNOBSERVED
from .headroom import Headroom
from .redis_report import RedisReport
from .server import Server
from .settings import EXIT_CONFIG
from .stream_report import SeenStream
from .tls import Tls

MAX_SKEW_S: Final = 5.0
"""Between our clock and Redis'. Signatures may be 300 s old; clocks kept by NTP differ by milliseconds."""
LITTLE_ROOM_S: Final = 3600.0
"""Head room that is worth a warning: an hour for somebody to wake up and look (a guess)."""
CONFIG_UNKNOWN: Final = Finding(
    0,
    "config_unknown",
    "CONFIG is refused: what Redis would keep through a crash is unknown",
    "let the user run config|get, or ask who runs this Redis for its persistence",
)
FSYNC_NOT_OBSERVED: Final = Finding(
    0,
    "fsync_not_observed",
    f"whether a write is on Redis' disk is told by its settings alone: {UNOBSERVED}",
    "upgrade Redis, and let the user do what deploy/redis/users.rules allows ingest's",
)


def refusal(error: Exception, url: str) -> Finding:
    """What follows from an error of a Redis call. `url` holds no password."""
    if is_access_refused(error):
        return Finding(EXIT_CONFIG, "access_refused", str(error), ACCESS)
    fault = fault_of(error)
    if fault.code == "not_durable":
        action = "look at Redis' disk and log, and at its replicas: it refuses writes"
        return Finding(EXIT_CONFIG, fault.code, fault.detail, action)
    if fault.code == "overloaded":
        return Finding(EXIT_FAILED, fault.code, fault.detail, "raise maxmemory, or let workers catch up")
    action = f"see that Redis runs at {url} and has loaded its data"
    return Finding(EXIT_CONFIG if fault.cure else EXIT_FAILED, fault.code, fault.detail, fault.cure or action)


def of_wrong_server(problem: str) -> Finding:
    """What to do with a server that this release or configuration must not touch."""
    action = "configure what the data were written with, or use another Redis database"
    if "Sentinel" in problem:
        action = "name the primary itself, or an address that follows it"
    elif "too old" in problem:
        action = "upgrade Redis to 7.0 or newer, or use Valkey 8 or newer"
    elif "data layout" in problem:
        newer = "a newer release of hookbus wrote these data: upgrade this one, or roll the data back"
        older = "an older release of hookbus wrote these data: CHANGELOG.md says how they are brought up to date"
        found = int(problem.partition("data layout ")[2].split()[0])
        action = newer if found > keys.LAYOUT else older
    return Finding(EXIT_CONFIG, "wrong_redis", problem, action)


def faults(found: Server, durability: str, *, is_unsafe: bool) -> list[Finding]:
    """All that a server's state and configuration leave to be desired."""
    is_master = found.info.get("role") == "master"
    told = [of_fault(fault, is_unsafe=is_unsafe, is_wrong=not is_master) for fault in faults_of(found, durability)]
    return told if found.config else [*told, CONFIG_UNKNOWN]


def of_fault(fault: Fault, *, is_unsafe: bool = False, is_wrong: bool = False) -> Finding:
    """The finding of a fault. `is_wrong`: not by passing trouble."""
    if fault.code == "not_durable" and is_unsafe:
        action = "unsafe_redis is on, so 200s are given all the same: never in production"
        return Finding(0, fault.code, fault.detail, action)
    exit_code = EXIT_CONFIG if fault.code == "not_durable" or is_wrong else EXIT_FAILED
    return Finding(exit_code, fault.code, fault.detail, fault.cure or "see Redis' log")


def warnings(redis: RedisReport) -> list[Finding]:
    """What will do for now."""
    found = []
    if redis.maxmemory_bytes == 0:
        action = "set maxmemory, so that Redis refuses writes (503, the sender retries) before the kernel kills it"
        found.append(Finding(0, "maxmemory_unlimited", "Redis may take all memory of its machine", action))
    if not redis.can_save:
        action = "look at Redis' disk and log; it may refuse writes until it can"
        found.append(Finding(0, "last_save_failed", "Redis could not write its file or snapshot last time", action))
    if abs(redis.clock_skew_ms) > MAX_SKEW_S * 1000:
        problem = f"Redis' clock and ours differ by {abs(redis.clock_skew_ms) / 1000:.0f} s"
        action = "keep both by NTP: a wrong clock here refuses fresh signatures as stale"
        found.append(Finding(0, "clock_skew", problem, action))
    return found


def in_cluster(info: Mapping[str, str]) -> list[Finding]:
    """Whether all may change as soon as slots move: one node that holds them all serves as well as any server."""
    if info.get("cluster_enabled") != "1":
        return []
    problem = "a node of a cluster: it serves only as long as the slots of all keys of hookbus are here"
    return [Finding(0, "cluster_node", problem, ONE_SERVER)]


def expiring(tls: Tls, now_s: float) -> list[Finding]:
    """The certificates that should have been renewed by now: at their end no connection is made any more."""
    whose = {"Redis' certificate": tls.server, "our certificate (redis_cert_file)": tls.client()}
    return [
        Finding(
            0,
            "certificate_expires",
            f"{name} ends in {output.age(max(0.0, validity.ends_s - now_s))}",
            "renew it; the files are read again for each connection, so no restart is needed",
        )
        for name, validity in whose.items()
        if validity is not None and validity.ends_soon(now_s)
    ]


def little_room(room: Headroom | None) -> list[Finding]:
    """Whether memory ends soon at the present rate."""
    if room is None or room.lasts_s is None or room.lasts_s >= LITTLE_ROOM_S:
        return []
    problem = f"memory for {room.events:,} events: {output.age(room.lasts_s)} at the present rate, if none is handled"
    action = "raise maxmemory, start workers, or lower worker.retention_events"
    return [Finding(0, "little_head_room", problem, action)]


def of_streams(seen: list[SeenStream], now_ms: int) -> Iterator[Finding]:
    """Streams that take no events, and such as have ids of the future."""
    for stream in seen:
        name = output.line(stream.key)
        if stream.error:
            action = "find out who wrote it (TYPE tells what it is), and rename it: events of its type are answered 503"
            yield Finding(EXIT_FAILED, "bad_stream", f"{name} takes no events: {stream.error}", action)
        elif stream.is_used_up:
            action = "move its events elsewhere (replay them after), and delete it: events of its type are answered 503"
            yield Finding(EXIT_FAILED, "bad_stream", f"{name} takes no events: its ids are used up", action)
        elif stream.last_ms - now_ms > MAX_SKEW_S * 1000:
            ahead = output.age((stream.last_ms - now_ms) / 1000)
            action = "keep Redis' clock by NTP; nothing is lost: what comes until then gets ids of that very time"
            yield Finding(0, "ids_ahead", f"the last id of {name} is {ahead} ahead of Redis' clock", action)
