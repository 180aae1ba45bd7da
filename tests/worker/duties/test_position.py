"""The position from which a group continues after it vanished from a stream while workers run."""

import pytest
from structlog.testing import capture_logs

from hookbus.worker.duties.membership import Membership
from hookbus.worker.duties.position import Positions, before, position_of
from tests.worker.builders import GROUP, KEYS, STREAM, TYPE, a_membership, store, take
from tests.worker.lookouts import looked


@pytest.fixture
async def group(client) -> tuple[Membership, Positions]:
    membership = a_membership(client, KEYS, GROUP, "earliest")
    await membership.join([TYPE])
    await client.execute_command("SADD", KEYS.types, TYPE)
    return membership, Positions(membership._here, await looked(client), membership)


async def handled(client, count: int) -> list[str]:
    """Read so many entries and ack all but the last; returns the webhook-ids of all."""
    found = await take(client, "me", count)
    for in_flight in found[:-1]:
        await client.execute_command("XACK", STREAM, GROUP, in_flight.entry_id)
    return [in_flight.delivery.webhook_id for in_flight in found]


async def test_a_vanished_group_continues_after_the_last_handled_event(client, group):
    membership, positions = group
    await store(client, *(f"wh_{i}" for i in range(6)))
    assert await handled(client, 4) == ["wh_0", "wh_1", "wh_2", "wh_3"]
    await positions.fetch()
    await client.execute_command("XGROUP", "DESTROY", STREAM, GROUP)
    await membership.join([TYPE])
    # wh_3 was pending: it is not lost with the group's pending list.
    assert [in_flight.delivery.webhook_id for in_flight in await take(client, "me")] == ["wh_3", "wh_4", "wh_5"]


async def test_a_replaced_stream_is_read_from_the_start_of_the_group(client, group):
    membership, positions = group
    await client.execute_command("XADD", STREAM, "5000-0", "id", "wh_old", "src", "openai", "at", "1", "body", "{}")
    [in_flight] = await take(client, "me")
    await client.execute_command("XACK", STREAM, GROUP, in_flight.entry_id)
    await positions.fetch()
    await client.execute_command("DEL", STREAM)
    await client.execute_command("XADD", STREAM, "4000-0", "id", "wh_new", "src", "openai", "at", "1", "body", "{}")
    await membership.join([TYPE])
    assert [in_flight.delivery.webhook_id for in_flight in await take(client, "me")] == ["wh_new"]


async def test_a_group_that_vanished_with_its_server_reads_from_its_start(client, group):
    """Another server may assign ids below the position at first: entries below it are not handled yet."""
    membership, positions = group
    await store(client, "wh_old", entry_id="5000-0")
    [in_flight] = await take(client, "me")
    await client.execute_command("XACK", STREAM, GROUP, in_flight.entry_id)
    await positions.fetch()
    await client.execute_command("DEL", STREAM)
    await _become_another_server(client)
    await store(client, "wh_below", entry_id="4000-0")
    await store(client, "wh_above", entry_id="6000-0")
    with capture_logs() as logs:
        await membership.join([TYPE])
    assert [in_flight.delivery.webhook_id for in_flight in await take(client, "me")] == ["wh_below", "wh_above"]
    assert [line["goes_on_after"] for line in logs if line["event"] == "data_loss"] == [{TYPE: "0"}]


async def test_positions_of_another_server_are_forgotten(client, group):
    membership, positions = group
    await store(client, "wh_1", "wh_2")
    await handled(client, 2)
    await positions.fetch()
    await _become_another_server(client)
    await client.execute_command("XGROUP", "DESTROY", STREAM, GROUP)
    await positions.fetch()  # the group does not exist: nothing new is recorded
    await membership.join([TYPE])
    assert [in_flight.delivery.webhook_id for in_flight in await take(client, "me")] == ["wh_1", "wh_2"]


async def _become_another_server(client) -> None:
    """Change the replication id of the server, as the start of another one does."""
    await client.execute_command("REPLICAOF", "127.0.0.1", 1)
    await client.execute_command("REPLICAOF", "NO", "ONE")


async def test_a_position_that_steps_back_is_reported_once_as_data_loss(client, group):
    """As after the restore of an older backup."""
    _, positions = group
    await store(client, "wh_1", "wh_2")
    backup = await client.execute_command("DUMP", STREAM)
    for _ in range(2):
        [in_flight] = await take(client, "me", 1)
        await client.execute_command("XACK", STREAM, GROUP, in_flight.entry_id)
        with capture_logs() as lines:
            await positions.fetch()
        assert lines == []
    await client.execute_command("RESTORE", STREAM, 0, backup, "REPLACE")
    await _become_another_server(client)
    with capture_logs() as lines:
        await positions.fetch()
        await positions.fetch()
    [line] = lines
    assert line["event"] == "data_loss"
    assert "older data" in line["reason"]
    assert TYPE in str(line)


async def test_a_group_that_was_created_again_is_reported_once(client, group):
    membership, positions = group
    await store(client, "wh_1")
    await handled(client, 1)
    with capture_logs() as lines:
        await positions.fetch()
        await client.execute_command("DEL", STREAM)
        await membership.join([TYPE])
        await positions.fetch()
    assert [line["event"] for line in lines] == ["data_loss"]


@pytest.mark.parametrize(
    ("delivered", "oldest_pending", "expected"),
    [
        ("7-3", None, "7-3"),
        ("7-3", "7-3", "7-2"),
        ("7-3", "7-0", f"6-{2**64 - 1}"),
        ("7-3", "9-0", "7-3"),  # delivered after the first query
        ("0-0", None, "0-0"),
        ("10-0", "9-5", "9-4"),  # compared as numbers, not as text
    ],
)
def test_the_position_is_before_the_pending_entries(delivered, oldest_pending, expected):
    groups = [
        [b"name", b"other", b"last-delivered-id", b"99-0"],
        [b"name", b"g", b"last-delivered-id", delivered.encode()],
    ]
    pending = [0, oldest_pending and oldest_pending.encode(), None, None]
    assert position_of("g", groups, pending) == expected
    assert position_of("nobody", groups, pending) == ""


def test_the_position_before_the_first_id_is_the_beginning():
    assert (before("0-0"), before("1-0"), before("0-1")) == ("0-0", f"0-{2**64 - 1}", "0-0")
