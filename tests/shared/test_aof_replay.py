import pytest
from redis.exceptions import NoPermissionError, ResponseError

from hookbus.shared.aof_replay import examine
from hookbus.shared.connection import connect
from hookbus.shared.settings import EXIT_CONFIG

OLD = {"valkey_version": "8.1.8", "redis_version": "7.2.4"}


async def findings_of(server, *rules: str, info=OLD) -> list[tuple[str, int]]:
    """Code and exit code of each finding for a server whose user `default` has these rules."""
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "doctor", "on", ">pw", "+@all", "~*")
        admin.execute_command("ACL", "SETUSER", "default", *rules)
    client = connect(server.url.replace("://", "://doctor:pw@"), "tests")
    try:
        found = await examine(client.execute_command, info)
    finally:
        await client.aclose()
    assert all("ACL SETUSER default off" in finding.action for finding in found)
    return [(finding.code, finding.exit_code) for finding in found]


@pytest.mark.parametrize(
    "rules",
    [
        ("off", "resetkeys", "-@all"),
        ("off", "-@all"),
        ("off", "resetkeys"),
        ("off", "-@write"),
        ("off", "-xadd"),
        ("off", "resetkeys", "~hookbus:{0}:stream:*"),
        ("on", "-@all", "+@read"),
    ],
)
async def test_a_default_user_that_may_not_write_is_reported(own_server, rules):
    assert await findings_of(own_server, *rules) == [("restart_loses_data", EXIT_CONFIG)]


@pytest.mark.parametrize("rules", [("off",), ("on",), ("off", "resetchannels", "~*", "&*", "+@all"), ("nopass",)])
async def test_a_default_user_that_may_write_is_not_reported(own_server, rules):
    assert await findings_of(own_server, *rules) == []


@pytest.mark.parametrize("version", ["9.1.2", "9.2.0", "10.0.0"])
async def test_a_fixed_server_version_is_not_reported(own_server, version):
    assert await findings_of(own_server, "off", "-@all", info={"valkey_version": version}) == []


@pytest.mark.parametrize(
    "info", [{"redis_version": "7.0.15"}, {"redis_version": "8.10.2"}, {"valkey_version": "9.1.1"}]
)
async def test_an_affected_version_is_reported(own_server, info):
    assert await findings_of(own_server, "off", "-@all", info=info) == [("restart_loses_data", EXIT_CONFIG)]


@pytest.mark.parametrize(
    "error",
    [NoPermissionError("User has no permissions to run the 'acl|dryrun' command"), ResponseError("unknown command")],
)
async def test_a_refused_dry_run_is_reported_as_unknown(error):
    async def execute(*command):
        raise error

    (finding,) = await examine(execute, OLD)
    assert (finding.code, finding.exit_code) == ("restart_unknown", 0)
