import pytest
from msgspec.structs import replace

from hookbus.shared import keys, redis_findings
from hookbus.shared.headroom import Headroom
from hookbus.shared.redis_findings import CONFIG_UNKNOWN, faults, little_room, of_streams, of_wrong_server, warnings
from hookbus.shared.server import Server
from hookbus.shared.stream_report import SeenStream
from tests.shared.reports import REDIS
from tests.shared.test_fault import server

GOOD = replace(REDIS, can_save=True, clock_skew_ms=0)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"maxmemory_bytes": 0}, "maxmemory_unlimited"),
        ({"can_save": False}, "last_save_failed"),
        ({"clock_skew_ms": 6_000}, "clock_skew"),
        ({"clock_skew_ms": -6_000}, "clock_skew"),
    ],
)
def test_a_problem_without_immediate_effect_is_a_warning(changed, code):
    assert warnings(GOOD) == []
    (finding,) = warnings(replace(GOOD, **changed))
    assert (finding.code, finding.exit_code) == (code, 0)


@pytest.mark.parametrize(
    ("lasts_s", "expected"), [(None, False), (redis_findings.LITTLE_ROOM_S, False), (600.0, True), (0.0, True)]
)
def test_little_headroom_is_a_warning_only_while_events_arrive(lasts_s, expected):
    assert bool(little_room(Headroom(10, 300, 1.0, lasts_s))) == expected
    assert little_room(None) == []


def test_every_fault_is_reported_with_its_own_remedy():
    findings = faults(
        server(maxmemory_policy="allkeys-lru", appendonly="no", appendfsync="no"), "fsync", is_unsafe=False
    )
    assert [(finding.code, finding.exit_code) for finding in findings] == [("not_durable", 78)] * 3
    assert [finding.action.split(",")[0] for finding in findings][1:] == [
        "set appendonly yes in Redis",
        "set appendfsync always in Redis",
    ]
    assert {finding.exit_code for finding in faults(server(appendonly="no"), "fsync", is_unsafe=True)} == {0}


def test_a_replica_is_wrong_and_a_loading_server_is_not_ready():
    assert [finding.exit_code for finding in faults(server(role="slave"), "memory", is_unsafe=False)] == [78]
    assert [finding.exit_code for finding in faults(server(loading="1"), "memory", is_unsafe=False)] == [1]


def test_where_config_is_refused_the_state_is_unknown():
    managed = Server({"role": "master", "maxmemory_policy": "noeviction"}, {})
    assert faults(managed, "memory", is_unsafe=False) == [CONFIG_UNKNOWN]


@pytest.mark.parametrize(
    ("problem", "action"),
    [
        ("redis_url: Redis 6.2.14 is too old: 7.0 or newer, or Valkey 8", "upgrade Redis to 7.0"),
        (f"redis_url: data layout {keys.LAYOUT + 1} there, this release supports {keys.LAYOUT}", "upgrade this one"),
        (f"redis_url: data layout {keys.LAYOUT - 1} there, this release supports {keys.LAYOUT}", "CHANGELOG.md"),
        ("shards: 1 here, but the data in Redis is spread over 4", "use the settings that the data were written with"),
    ],
)
def test_each_wrong_server_has_its_own_remedy(problem, action):
    assert action in of_wrong_server(problem).action


def test_unusable_streams_and_ids_ahead_of_the_clock_are_reported():
    streams = [
        SeenStream("good", last_ms=1_000),
        SeenStream("other", "WRONGTYPE Operation against a key"),
        SeenStream("full", last_ms=2**64 - 1, is_used_up=True),
        SeenStream("ahead", last_ms=3_600_000),
        SeenStream("unknown"),
    ]
    findings = [(finding.code, finding.exit_code, finding.problem.split()[0]) for finding in of_streams(streams, 2_000)]
    assert findings[:2] == [("bad_stream", 1, "other"), ("bad_stream", 1, "full")]
    assert [code for code, *_ in findings[2:]] == ["ids_ahead"]
