"""Trimming by number, in bounded steps, with groups that have not joined yet; and the day sets."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hookbus.shared import scripts
from hookbus.shared.clock import now_ms
from hookbus.shared.patterns import patterns_of
from hookbus.worker.duties import trim
from hookbus.worker.duties.trim import DAY_MS, Trimmer
from hookbus.worker.pipeline import metrics
from hookbus.worker.settings import WorkerSettings
from tests.worker.builders import GROUP, KEYS, STREAM, TYPE, a_membership, join, store, take
from tests.worker.chores import CHORES

COVERING = " ".join(patterns_of(TYPE))


@pytest.fixture(autouse=True)
def small_nodes(redis_url, server):
    """Nodes of three entries, so that few entries fill many nodes: steps remove whole nodes."""
    with server.client() as client:
        client.config_set("stream-node-max-entries", 3)
        yield
        client.config_set("stream-node-max-entries", 100)


def trimmer(client, *, max_events: int = 1_000_000, retention_s: float = 3600, orphan_s: float = 7200) -> Trimmer:
    settings = WorkerSettings(retention_s=retention_s, orphan_retention_s=orphan_s, retention_events=max_events)
    return Trimmer(client, KEYS, CHORES, asyncio.Event(), settings)


async def length(client) -> int:
    return await client.execute_command("XLEN", STREAM)


async def ack(client, *deliveries, group: str = GROUP) -> None:
    await client.execute_command("XACK", STREAM, group, *(in_flight.entry_id for in_flight in deliveries))


async def test_beyond_the_maximum_the_oldest_handled_events_are_trimmed_before_their_retention_time(client):
    await join(client)
    ids = await store(client, *(f"wh_{i}" for i in range(30)))
    await ack(client, *await take(client, "me"))
    assert await trimmer(client, max_events=10).trim() == 18  # the whole nodes among the 20 surplus entries
    entries = await client.execute_command("XRANGE", STREAM, "-", "+")
    assert [entry_id for entry_id, _ in entries] == ids[18:]


async def test_g3_the_maximum_never_trims_unhandled_events(client):
    await join(client)
    await join(client, group="slow")
    await store(client, *(f"wh_{i}" for i in range(30)))
    await ack(client, *await take(client, "me"))
    in_flight = await take(client, "me", 9, group="slow")
    await ack(client, *in_flight[:6], group="slow")
    assert await trimmer(client, max_events=1).trim() == 6
    await ack(client, *in_flight[6:], group="slow")
    assert await trimmer(client, max_events=1).trim() == 0  # the last delivered entry marks the position
    assert await length(client) == 24


async def test_g3_when_memory_is_short_handled_events_are_deleted_even_behind_unhandled_ones(client):
    await join(client)
    await join(client, group="slow")
    await store(client, *(f"wh_{i}" for i in range(40)))
    await ack(client, *(await take(client, "me"))[1:])
    in_flight = await take(client, "me", 30, group="slow")
    await ack(client, *in_flight[:7], *in_flight[8:], group="slow")
    duty = trimmer(client)
    assert await duty.sweep() == 0  # memory is not short
    await client.execute_command("CONFIG", "SET", "maxmemory", 1)
    assert (await duty.trim(at_once=True), await duty.sweep()) == (0, 28)
    entries = await client.execute_command("XRANGE", STREAM, "-", "+")
    assert [fields[1] for _, fields in entries] == [b"wh_0", b"wh_7", *(b"wh_%d" % i for i in range(30, 40))]


async def test_orphans_are_not_counted(client):
    await store(client, *(f"wh_{i}" for i in range(30)))
    assert await trimmer(client, max_events=1).trim() == 0


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_call_takes_a_bounded_step_and_a_round_as_many_as_it_needs(client, monkeypatch, at_once):
    monkeypatch.setattr(trim, "STEP", 12)
    await join(client)
    old = now_ms() - 5 * 3_600_000
    for i in range(100):
        await store(client, f"wh_{i}", entry_id=f"{old + i}-0")
    await ack(client, *await take(client, "me"))
    step = scripts.Call(
        scripts.TRIM, (STREAM, KEYS.groups, KEYS.patterns), (COVERING, trim.EVERYTHING, "0-0", 1_000_000, trim.STEP)
    )
    assert await scripts.run(client, step) == [12, 0]
    assert await trimmer(client).trim(at_once=at_once) == 87
    assert await length(client) == 1


@pytest.mark.parametrize("pattern", ["*", "response.*", TYPE])
@pytest.mark.parametrize("at_once", [True, False])
async def test_g3_types_that_a_group_subscribes_to_but_has_not_joined_stay(client, pattern, at_once):
    """A type that appears while no worker of the group runs: other groups handle it, this one joins later."""
    await a_membership(client, KEYS, "away", "earliest", [pattern, "batch.failed"]).join(["batch.failed"])
    old = now_ms() - 5 * 3_600_000
    for i in range(9):
        await store(client, f"wh_{i}", entry_id=f"{old + i}-0")
    await join(client)
    await ack(client, *await take(client, "me"))
    assert await trimmer(client, max_events=1).trim(at_once=at_once) == 0
    await a_membership(client, KEYS, "away", "earliest", [pattern]).join([TYPE])
    assert len(await take(client, "me", group="away")) == 9


async def test_a_group_that_subscribes_to_other_types_holds_nothing(client):
    await a_membership(client, KEYS, "away", "earliest", ["batch.*", f"{TYPE}d"]).join(["batch.failed"])
    await join(client)
    await store(client, *(f"wh_{i}" for i in range(9)))
    await ack(client, *await take(client, "me"))
    assert await trimmer(client).trim(at_once=True) == 8


@pytest.mark.parametrize(("pattern", "is_kept"), [("*", False), ("hookbus.mine", True)])
async def test_a_wildcard_holds_nothing_of_hookbus_own_types_and_a_name_does(client, pattern, is_kept):
    await a_membership(client, KEYS, "away", "earliest", [pattern]).join(["batch.failed"])
    await store(client, "wh_1", event_type="hookbus.mine", entry_id="1000-0")
    assert await trimmer(client, orphan_s=1).trim() == (0 if is_kept else 1)
    await join(client, "hookbus.mine")
    await store(client, "wh_2", event_type="hookbus.mine")
    stream = KEYS.stream("hookbus.mine")
    reply = await client.execute_command("XREADGROUP", "GROUP", GROUP, "me", "STREAMS", stream, ">")
    await client.execute_command("XACK", stream, GROUP, *(entry_id for entry_id, _ in reply[0][1]))
    await store(client, "wh_3", event_type="hookbus.mine")
    await client.execute_command("CONFIG", "SET", "maxmemory", 1)
    assert await trimmer(client).sweep() == (0 if is_kept else 1)


async def test_g3_a_group_that_subscribes_to_a_type_again_holds_it_at_once(client):
    """The trimmer had found it unsubscribed just before."""
    await join(client)
    await client.execute_command("HSET", KEYS.patterns, GROUP, "*")
    await store(client, "wh_1")
    call = trimmer(client)._call(TYPE, now_ms(), [GROUP], at_once=True)
    assert await scripts.run(client, call) == [0, 0]
    await client.execute_command("HSET", KEYS.patterns, GROUP, "batch.failed")
    assert await scripts.run(client, call) == [0, 1]


async def test_a_group_that_has_not_joined_keeps_only_events_after_its_start(client):
    ids = await store(client, *(f"wh_{i}" for i in range(9)))
    await client.execute_command("HSET", KEYS.groups, "away", ids[5])
    await client.execute_command("HSET", KEYS.patterns, "away", "*")
    await join(client)
    await ack(client, *await take(client, "me"))
    assert await trimmer(client).trim(at_once=True) == 5
    entries = await client.execute_command("XRANGE", STREAM, "-", "+")
    assert [entry_id for entry_id, _ in entries] == ids[5:]


async def test_events_that_a_group_will_read_are_no_orphans(client):
    await a_membership(client, KEYS, "away", "earliest", ["*"]).join(["batch.failed"])
    await store(client, "wh_1", entry_id="1000-0")
    assert await trimmer(client, orphan_s=1).trim() == 0


async def test_trimmed_orphans_are_reported(client):
    await store(client, "wh_1", "wh_2", entry_id="1000-*")
    before = metrics.TRIMMED.labels("orphaned")._value.get()
    with capture_logs() as logs:
        assert await trimmer(client).trim() == 2
    [line] = logs
    assert (line["event"], line["type"], line["events"]) == ("orphans_trimmed", TYPE, 2)
    assert metrics.TRIMMED.labels("orphaned")._value.get() == before + 2


async def test_day_sets_that_left_the_window_are_unlinked_before_their_ttl_ends(client):
    today = now_ms() // DAY_MS
    left_ms = {today: 6 * DAY_MS, today - 4: 2 * DAY_MS, today - 5: DAY_MS - 60_000, today - 6: 60_000}
    for day, ttl_ms in left_ms.items():
        await client.execute_command("SADD", KEYS.seen(day), "x")
        await client.execute_command("PEXPIRE", KEYS.seen(day), ttl_ms)
    await client.execute_command("SADD", KEYS.seen(today - 7), "x")  # no TTL: not written by ingest
    await trimmer(client).unlink_old_days()
    existing = [day for day in (*left_ms, today - 7) if await client.execute_command("EXISTS", KEYS.seen(day))]
    assert existing == [today, today - 4, today - 7]
    stats = (await client.execute_command("INFO", "commandstats")).decode()
    assert "cmdstat_unlink:calls=1," in stats
    assert "cmdstat_del:" not in stats


GROUPS = ("one", "two", "late")
STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(1, 8)),
    st.just(("register",)),
    st.tuples(st.just("join"), st.sampled_from(GROUPS)),
    st.tuples(st.just("read"), st.sampled_from(GROUPS), st.integers(1, 9)),
    st.tuples(st.just("settle"), st.sampled_from(GROUPS), st.integers(0, 5), st.integers(1, 9)),
    st.tuples(st.just("sweep"), st.integers(1, 5)),
    st.tuples(st.just("trim"), st.booleans(), st.integers(1, 12), st.sampled_from([6, 100])),
)


class Model:
    """The events that each group has yet to handle. `late` may be registered for some time before it joins."""

    def __init__(self, client) -> None:
        self.client = client
        self.stored: list[bytes] = []
        self.starts: dict[str, int] = {}
        self.handled: dict[str, set[bytes]] = {name: set() for name in GROUPS}
        self.pending: dict[str, list[bytes]] = {name: [] for name in GROUPS}
        self.joined: set[str] = set()

    def add(self, count: int) -> None:
        for _ in range(count):
            self.stored.append(self.client.xadd(STREAM, {"id": "wh", "body": "{}"}))

    def register(self) -> None:
        """Register `late`, which starts at the first remaining entry, before it joins."""
        if "late" not in self.starts:
            self.starts["late"] = self._first()
            self.client.hset(KEYS.groups, "late", "0")
            self.client.hset(KEYS.patterns, "late", "response.*")

    def join(self, group: str) -> None:
        """Join from the beginning; `two` starts with the next event."""
        if group not in self.joined:
            start = "$" if group == "two" else "0"
            self.client.xgroup_create(STREAM, group, start, mkstream=True)
            self.starts.setdefault(group, len(self.stored) if group == "two" else self._first())
            self.joined.add(group)

    def _first(self) -> int:
        """A group that is created now gets the remaining entries."""
        entries = self.client.xrange(STREAM, count=1)
        return self.stored.index(entries[0][0]) if entries else len(self.stored)

    def read(self, group: str, count: int) -> None:
        if group in self.joined:
            reply = self.client.execute_command(
                "XREADGROUP", "GROUP", group, "c", "COUNT", count, "STREAMS", STREAM, ">"
            )
            for _, entries in reply or ():
                self.pending[group] += [entry[0] for entry in entries]

    def settle(self, group: str, first: int, count: int) -> None:
        """An ack, or the ack inside a park or a dead letter: the stream cannot tell them apart."""
        for entry_id in self.pending[group][first : first + count]:
            self.client.xack(STREAM, group, entry_id)
            self.handled[group].add(entry_id)
        del self.pending[group][first : first + count]

    def trim(self, is_all: bool, max_events: int, limit: int) -> None:
        before = {entry[0] for entry in self.client.xrange(STREAM)}
        handled = trim.EVERYTHING if is_all else "0-0"
        args = (COVERING, handled, "0-0", max_events, limit)
        self.client.eval(scripts.TRIM.source, 3, STREAM, KEYS.groups, KEYS.patterns, *args)
        after = {entry[0] for entry in self.client.xrange(STREAM)}
        assert self.needed() <= after
        assert len(before - after) <= 2 * limit + 3

    def needed(self) -> set[bytes]:
        """The events that some group has yet to handle."""
        return {
            entry_id
            for group, start in self.starts.items()
            for entry_id in self.stored[start:]
            if entry_id not in self.handled[group]
        }

    def sweep(self, count: int) -> None:
        first = "-"
        while first:
            args = (STREAM, KEYS.groups, KEYS.patterns, COVERING, first, count)
            _, last = self.client.eval(scripts.SWEEP.source, 3, *args)
            first = f"({last.decode()}" if last else ""
        assert self.needed() <= {entry[0] for entry in self.client.xrange(STREAM)}


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_g3_no_interleaving_of_add_read_settle_and_trim_removes_an_unhandled_event(server, steps):
    with server.client() as client:
        client.delete(STREAM, KEYS.groups, KEYS.patterns)
        model = Model(client)
        for name, *args in steps:
            getattr(model, name)(*args)
