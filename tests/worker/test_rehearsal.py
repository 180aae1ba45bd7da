import re

import pytest

from hookbus.shared import scripts
from hookbus.shared.connection import connect
from hookbus.shared.fault import UnhealthyError
from hookbus.worker.rehearsal import FAMILIES, READS, WRITES, rehearse
from tests.shared.test_scripts import FILES

INGESTS = {"enqueue"}
TOOLS = {"forget", "remove_letter", "unjoin", "replay", "restore"}
"""Scripts that no worker runs."""


async def test_where_all_is_allowed_nothing_is_left_behind(client):
    await rehearse(client.execute_command)
    assert await client.execute_command("DBSIZE") == 0


def test_every_command_of_a_workers_scripts_is_tried():
    sources = [path.read_text() for path in FILES if path.stem not in INGESTS | TOOLS]
    used = {name for source in sources for name in re.findall(r"redis\.p?call\(\W*'(\w+)'", source)}
    assert used
    # Without the right to INFO a vanished group starts at its birth.
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
async def test_what_is_refused_is_named(own_server, rule, named):
    assert named in await refused(own_server, "~*", "+@all", rule)


async def test_all_that_is_refused_is_named_at_once(own_server):
    detail = await refused(own_server, "~*", "+@all", "-xack", "-hset", "-@scripting")
    assert all(name in detail for name in ("XACK", "HSET", "EVALSHA", "SCRIPT LOAD"))


async def test_keys_that_are_forbidden_are_named(own_server):
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
