import msgspec
import pytest
from msgspec.structs import replace

from hookbus.shared import scripts
from hookbus.shared.command import FailedError
from hookbus.shared.entry import Entry
from hookbus.shared.keys import LAYOUT, META, Keys
from hookbus.shared.settings import ConfigError
from hookbus.worker.api.delivery import Delivery, InFlight
from hookbus.worker.dlq.filter import Filter
from hookbus.worker.dlq.moves import Moves
from hookbus.worker.dlq.query import DeadLetters
from hookbus.worker.pipeline.outcome import Cause, DeadLetter
from hookbus.worker.pipeline.pending_outcome import PendingOutcome
from hookbus.worker.pipeline.slots import Slots
from tests.worker.builders import a_membership
from tests.worker.dead_letters import DEAD_MS, create_groups, keys_left, letter, opened, store_letters

ALL = Filter()
LETTERS = (
    letter("wh_1", dead_lettered_at_ms=DEAD_MS + 1),
    letter("wh_2", dead_lettered_at_ms=DEAD_MS + 2, type="response.failed"),
    letter("wh_3", dead_lettered_at_ms=DEAD_MS + 3, type="batch.failed", reason="rejected", error_class="Reject"),
    letter("wh_4", dead_lettered_at_ms=DEAD_MS + 4, reason="rejected", error_class="Reject"),
    letter(
        "wh_5",
        dead_lettered_at_ms=DEAD_MS + 5,
        group="phone",
        reason="expired",
        error_class="Expired",
        frame="",
    ),
)
BY_NAME = {each.webhook_id: each for each in LETTERS}


async def names(store: DeadLetters, criteria: Filter = ALL, limit: int = 50) -> list[str]:
    return [dead.name for dead in (await store.page(criteria, limit)).letters]


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        (ALL, [5, 4, 3, 2, 1]),
        (Filter(groups=("billing",)), [4, 3, 2, 1]),
        (Filter(groups=("phone", "billing")), [5, 4, 3, 2, 1]),
        (Filter(types=("response.completed",)), [5, 4, 1]),
        (Filter(types=("response.*",)), [5, 4, 2, 1]),
        (Filter(types=("*",)), [5, 4, 3, 2, 1]),
        (Filter(types=("response.failed", "batch.*")), [3, 2]),
        (Filter(types=("response",)), []),
        (Filter(reasons=("rejected",)), [4, 3]),
        (Filter(reasons=("rejected", "expired")), [5, 4, 3]),
        (Filter(reasons=("rejected",), types=("response.*",)), [4]),
        (Filter(fingerprints=(BY_NAME["wh_3"].fingerprint,)), [3]),
        (Filter(fingerprints=(BY_NAME["wh_3"].fingerprint,), groups=("phone",)), []),
        (Filter(since_ms=DEAD_MS + 4), [5, 4]),
        (Filter(until_ms=DEAD_MS + 2), [2, 1]),
        (Filter(since_ms=DEAD_MS + 2, until_ms=DEAD_MS + 3, reasons=("rejected",)), [3]),
        (Filter(names=("wh_2",)), [2]),
        (Filter(names=("wh_2", "wh_5", "wh_2")), [5, 2]),
        (Filter(names=("wh_2",), reasons=("rejected",)), []),
        (Filter(names=("wh_2",), since_ms=DEAD_MS + 3), []),
    ],
)
async def test_filters_select_the_same_letters_for_pages_counts_and_walks(client, shards, criteria, found):
    await create_groups(client, "billing", "phone", shards=shards)
    await store_letters(client, *LETTERS, shards=shards)
    store = await opened(client)
    page = await store.page(criteria, 50)
    assert [dead.name for dead in page.letters] == [f"wh_{i}" for i in found]
    assert page.total == await store.count(criteria) == len(found)
    assert [dead.letter for dead in page.letters] == [BY_NAME[dead.name] for dead in page.letters]
    walked = [dead.name async for batch in store.walk(criteria, 2) for dead in batch]
    assert walked == [f"wh_{i}" for i in reversed(found)]


async def test_a_page_holds_the_newest_letters_and_the_total(client):
    await create_groups(client, "billing", shards=3)
    await store_letters(client, *(letter(f"wh_{i}", dead_lettered_at_ms=DEAD_MS + i) for i in range(30)), shards=3)
    page = await (await opened(client)).page(ALL, 4)
    assert ([dead.name for dead in page.letters], page.total) == (["wh_29", "wh_28", "wh_27", "wh_26"], 30)


async def test_the_cost_of_a_page_and_of_summaries_does_not_depend_on_the_number_of_letters(client):
    """Measured by the bytes that Redis sends; reading a whole set would send a hundred times as many."""

    async def cost() -> int:
        store = await opened(client)
        before = await sent(client)
        await store.page(ALL, 10)
        await store.page(Filter(types=("response.*",)), 10)
        await store.summaries(ALL)
        return await sent(client) - before

    await create_groups(client, "billing")
    await store_letters(client, *(letter(f"wh_{i:05}", dead_lettered_at_ms=DEAD_MS + i) for i in range(20)))
    few = await cost()
    await store_letters(client, *(letter(f"wh_{i:05}", dead_lettered_at_ms=DEAD_MS + i) for i in range(20, 3000)))
    assert await cost() < few * 1.1


async def sent(client) -> int:
    info = await client.execute_command("INFO", "stats")
    (line,) = [line for line in info.splitlines() if line.startswith(b"total_net_output_bytes:")]
    return int(line.partition(b":")[2])


async def test_the_tools_find_the_letter_that_a_worker_wrote(client):
    keys = Keys(0)
    await create_groups(client, "billing")
    in_flight, call = await _dead_letter_call(client, keys)
    assert await scripts.run(client, call) == 1
    (dead,) = (await (await opened(client)).page(Filter(reasons=("rejected",)), 5)).letters
    assert (dead.name, dead.group, dead.letter.body) == ("wh_1", "billing", in_flight.entry.body)
    assert dead.dead_lettered_ms == dead.letter.dead_lettered_at_ms == DEAD_MS


async def test_a_webhook_id_dead_lettered_twice_is_two_letters_with_names_of_their_own(client):
    keys = Keys(0)
    await create_groups(client, "billing")
    for _ in range(2):
        _, call = await _dead_letter_call(client, keys)
        assert await scripts.run(client, call) == 1
    store = await opened(client)
    first, second = sorted(await names(store))
    assert (first, second[:5]) == ("wh_1", "wh_1~")
    assert await names(store, Filter(names=(first,))) == [first]
    assert await names(store, Filter(names=(second,))) == [second]


async def test_a_dead_letter_never_overwrites_another_even_one_whose_webhook_id_looks_like_a_later_name(client):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"), letter("wh_1~7-0"))
    _, call = await _dead_letter_call(client, Keys(0), "7-0")
    assert await scripts.run(client, call) == 1
    assert sorted(await names(await opened(client))) == ["wh_1", "wh_1~7-0", "wh_1~7-0~7-0"]


async def _dead_letter_call(client, keys: Keys, entry_id: str = "*") -> tuple[InFlight, scripts.Call]:
    """A delivery pending with consumer `c`, and the call that makes it a dead letter."""
    stream = keys.stream("batch.failed")
    entry = Entry("wh_1", "openai", DEAD_MS - 1000, b"{}")
    await a_membership(client, keys, "billing", "earliest").join(["batch.failed"])
    fields = ("id", "wh_1", "src", "openai", "at", 1, "body", "{}")
    stored_id = await client.execute_command("XADD", stream, entry_id, *fields)
    await client.execute_command("XREADGROUP", "GROUP", "billing", "c", "STREAMS", stream, ">")
    delivery = Delivery("wh_1", "openai", "batch.failed", "billing", 1, entry.received_at_ms, entry.body)
    in_flight = InFlight(stream, stored_id, False, entry, delivery)
    outcome = DeadLetter("rejected", Cause("Reject", "why", "", "handlers.py:record"))
    return in_flight, PendingOutcome(in_flight, outcome, Slots(1), 0.1, DEAD_MS).call("c")


async def test_summaries_merge_count_cause_and_times_across_shards(client):
    await create_groups(client, "billing", "phone", shards=4)
    await store_letters(
        client,
        *(letter(f"wh_{i}", dead_lettered_at_ms=DEAD_MS + i, message=f"no {i}") for i in range(20)),
        shards=4,
    )
    await store_letters(client, letter("wh_r", reason="rejected"), letter("wh_p", group="phone"), shards=4)
    found = await (await opened(client)).summaries(ALL)
    assert [(each.group, each.count, each.kind.reason) for each in found] == [
        ("billing", 20, "attempts_exhausted"),
        ("billing", 1, "rejected"),
        ("phone", 1, "attempts_exhausted"),
    ]
    assert (found[0].first_ms, found[0].last_ms) == (DEAD_MS, DEAD_MS + 19)
    assert found[0].fingerprint == letter().fingerprint
    assert found[0].kind == msgspec.structs.replace(letter().kind, message="no 19")


async def test_summaries_count_only_letters_that_match(client):
    await create_groups(client, "billing")
    await store_letters(
        client,
        *(letter(f"wh_{i}", dead_lettered_at_ms=DEAD_MS + i) for i in range(9)),
        letter("wh_r", reason="rejected"),
    )
    store = await opened(client)
    (found,) = await store.summaries(Filter(since_ms=DEAD_MS + 3, until_ms=DEAD_MS + 5))
    assert (found.count, found.first_ms, found.last_ms) == (3, DEAD_MS + 3, DEAD_MS + 5)
    assert await store.summaries(Filter(since_ms=DEAD_MS + 100)) == []


async def test_a_fingerprint_is_removed_with_its_last_letter_and_no_key_is_left(client):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"), letter("wh_2"), letter("wh_3", reason="rejected"))
    store = await opened(client)
    moves = Moves(client, store.shards)
    await moves.discard(await store.find(Filter(names=("wh_1", "wh_3"))))
    assert [each.count for each in await store.summaries(ALL)] == [1]
    await moves.discard(await store.find(Filter(names=("wh_2",))))
    assert await store.summaries(ALL) == []
    assert await keys_left(client) == []


async def test_an_unknown_group_or_letter_is_named_in_the_error(client):
    await create_groups(client, "billing", "phone")
    store = await opened(client)
    for execute in (store.page(Filter(groups=("bling",)), 5), store.summaries(Filter(groups=("bling",)))):
        with pytest.raises(FailedError, match=r"^no group bling; there are: billing, phone; did you mean billing\?$"):
            await execute
    with pytest.raises(FailedError, match=r"^no dead letter wh_9$"):
        await store.find(Filter(names=("wh_9",)))
    with pytest.raises(FailedError, match=r"^no dead letter wh_9 in group phone$"):
        await store.find(Filter(names=("wh_9",), groups=("phone",)))


async def test_one_name_can_be_a_letter_of_several_groups(client):
    await create_groups(client, "billing", "phone")
    await store_letters(client, letter("wh_1"), letter("wh_1", group="phone"))
    found = await (await opened(client)).find(Filter(names=("wh_1",)))
    assert sorted(dead.group for dead in found) == ["billing", "phone"]


async def test_queries_of_an_unused_redis_find_nothing_and_write_nothing(client):
    store = await opened(client)
    assert (await store.page(ALL, 5), await store.summaries(ALL), await store.count(ALL)) == (([], 0, None), [], 0)
    assert await client.execute_command("DBSIZE") == 0


async def test_the_shard_count_comes_from_redis(client):
    await create_groups(client, "billing", shards=5)
    await store_letters(client, *(letter(f"wh_{i}") for i in range(20)), shards=5)
    assert await (await DeadLetters.open(client, 1)).count(ALL) == 20


async def test_letters_are_found_after_a_flush_of_the_layout_under_running_workers(client):
    await create_groups(client, "billing", shards=2)
    await store_letters(client, *(letter(f"wh_{i}") for i in range(20)), shards=2)
    await client.execute_command("DEL", META)
    assert await (await DeadLetters.open(client, 2)).count(ALL) == 20


async def test_another_layout_is_refused(client):
    await client.execute_command("HSET", META, "layout", LAYOUT + 1, "shards", 1)
    with pytest.raises(ConfigError, match=f"data layout {LAYOUT + 1} there, this release supports {LAYOUT}"):
        await opened(client)


async def test_a_record_of_another_release_hides_no_others(client):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"), letter("wh_2", dead_lettered_at_ms=DEAD_MS + 1))
    await client.execute_command("HSET", Keys(0).dead_data("billing"), "wh_1", b"\x93\x01\x02\x03")
    store = await opened(client)
    assert await names(store) == ["wh_2"]
    assert store.unreadable == ["wh_1"]


async def test_a_letter_removed_between_index_and_record_is_left_out(client):
    await create_groups(client, "billing")
    await store_letters(client, letter("wh_1"), letter("wh_2"))
    await client.execute_command("HDEL", Keys(0).dead_data("billing"), "wh_1")
    assert await names(await opened(client)) == ["wh_2"]


async def test_a_snapshot_ends_at_the_time_of_redis_or_earlier(client):
    store = await opened(client)
    seconds, _ = await client.execute_command("TIME")
    now = await store.snapshot(ALL)
    assert 0 <= now.until_ms - int(seconds) * 1000 < 60_000
    assert await store.snapshot(replace(ALL, until_ms=DEAD_MS)) == replace(ALL, until_ms=DEAD_MS)
