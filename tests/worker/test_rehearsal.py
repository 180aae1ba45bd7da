import re

import pytest

from hookbus.shared import scripts
from hookbus.shared.connection import connect
from hookbus.shared.fault import UnhealthyError
from hookbus.worker.rehearsal import FAMILIES, READS, WRITES, rehearse
from tests.shared.test_scripts import FILES

INGESTS = {"enqueue"}
TOOLS = {"forget", "record", "remove_letter", "unjoin", "replay", "restore"}
"""Scripts that no worker runs."""


async def test_a_successful_rehearsal_leaves_no_keys(client):
    await rehearse(client.execute_command)
    assert await client.execute_command("DBSIZE") == 0


def test_the_rehearsal_covers_every_command_of_the_workers_scripts():
    sources = [path.read_text() for path in FILES if path.stem not in INGESTS | TOOLS]
    used = {name for source in sources for name in re.findall(r"redis\.p?call\(\W*'(\w+)'", source)}
    assert used
    # Without permission for INFO a vanished group continues at its start.
    assert used - {"INFO"} <= {text.split()[0] for text in (*READS, *WRITES)}
    assert scripts.JOIN.source


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ("-xclaim", "XCLAIM"),
        ("-evalsha", "EVALSHA"),
        ("-script|load", "SCRIPT LOAD"),
        ("-xgroup|create", "XGROUP CREATE"),
        ("-zadd", "ZADD"),
        ("-time", "TIME"),
    ],
)
async def test_a_refused_command_is_named(own_server, rule, named):
    assert named in await refused(own_server, "~*", "+@all", rule)


async def test_all_refused_commands_are_named_at_once(own_server):
    detail = await refused(own_server, "~*", "+@all", "-xack", "-hset", "-@scripting")
    assert all(name in detail for name in ("XACK", "HSET", "EVALSHA", "SCRIPT LOAD"))


async def test_forbidden_keys_are_named(own_server):
    rules = [f"~{key}" for key in FAMILIES if "alive" not in key]
    rules += ["~hookbus:meta", "~hookbus:{*}:stream:*", "~hookbus:{*}:seen:*", "~hookbus:{*}:dead:*"]
    assert "hookbus:{0}:alive:" in await refused(own_server, "+@all", *rules)


async def refused(server, *rules: str) -> str:
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "bus", "on", ">pw", *rules)
    client = connect(server.url.replace("://", "://bus:pw@"), "tests", connections=1)
    try:
        with pytest.raises(UnhealthyError) as caught:
            await rehearse(client.execute_command)
    finally:
        await client.aclose()
    return caught.value.fault.detail
