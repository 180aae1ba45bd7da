"""`deploy/redis`: the configuration makes a healthy Redis, and each user may run only the commands that it needs. All
tests that start programs prove that these suffice: the programs connect as these users (`tests.users`).
"""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from hookbus.shared import keys
from hookbus.shared import server as inspection
from hookbus.shared.connection import connect
from hookbus.shared.fault import judge
from hookbus.shared.valkey import Valkey
from tests import users
from tests.ingest.serving import SECRET, command
from tests.programs import Ingest, Program, Worker, event_body, post, post_until_accepted
from tests.worker.commands import objects, worker

STREAM = "hookbus:{0}:stream:response.completed"
ALL = ("ingest", "worker", "tools", "exporter", "console-viewer", "console")
READERS = ("exporter", "console-viewer")
UNLIKE_TOOLS = (*READERS, "console")
FORBIDDEN = {
    "FLUSHALL": ALL,
    "KEYS *": ALL,
    "CONFIG SET maxmemory 0": ALL,
    "DEBUG SLEEP 0": ALL,
    "ACL LIST": ALL,
    "CLIENT LIST": ALL,
    "CLIENT KILL TYPE normal": ALL,
    "SHUTDOWN": ALL,
    "MONITOR": ALL,
    "SCRIPT FLUSH": ALL,
    "HGET other field": ("worker", "tools", *UNLIKE_TOOLS),
    "HSETNX other layout 1": ALL,
    f"XRANGE {STREAM} - +": ("ingest",),
    f"XREVRANGE {STREAM} + - COUNT 1": ("ingest",),
    f"XREAD STREAMS {STREAM} 0": ("ingest", *UNLIKE_TOOLS),
    f"XINFO STREAM {STREAM} FULL": ("ingest",),
    f"DUMP {STREAM}": ALL,
    f"UNLINK {STREAM}": ("ingest", *UNLIKE_TOOLS),
    f"DEL {STREAM}": ("ingest", *UNLIKE_TOOLS),
    f"XGROUP DESTROY {STREAM} billing": ("ingest", "worker", *READERS),
    "UNLINK hookbus:{0}:consumers:billing": ("ingest", *READERS),
    "UNLINK hookbus:{0}:alive:worker": ("ingest", *UNLIKE_TOOLS),
    "HSET hookbus:{0}:patterns billing *": ("ingest", *UNLIKE_TOOLS),
    "SCAN 0": ("ingest", "worker", *READERS),
    "XRANGE hookbus:{0}:rejections - +": ("ingest", "worker"),
    "HSET hookbus:meta shards 2": ("ingest", *UNLIKE_TOOLS),
    f"XADD {STREAM} * id 1": UNLIKE_TOOLS,
    f"XDEL {STREAM} 1-1": ("ingest", *UNLIKE_TOOLS),
    "HSETNX hookbus:{0}:paused billing|* {}": ("ingest", *READERS),
    "HDEL hookbus:{0}:paused billing|*": ("ingest", *READERS),
    "HDEL hookbus:{0}:suspended billing|*": ("ingest", *READERS),
    "EVAL return 0": ("ingest", *UNLIKE_TOOLS),
}


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[Valkey]:
    """A server with the shipped configuration and users; only the paths differ."""
    valkey = users.guarded(tmp_path / "data").start()
    yield valkey
    valkey.close()


def as_user(url: str, name: str) -> str:
    return url.replace("unix://", f"unix://{name}:{name}@")


async def refused(url: str, user: str, sent: str) -> bool:
    client = connect(as_user(url, user), "tests")
    try:
        await client.execute_command(*sent.split(" "))
    except NoPermissionError:
        return True
    except ResponseError as error:
        return "not allowed" in str(error)  # DEBUG is disabled for all users; any other error is no refusal
    finally:
        await client.aclose()
    return False


async def test_the_configuration_keeps_durability_fsync_and_is_bounded(shipped):
    client = connect(users.login(shipped.url, "hookbus-ingest", "serve"), "tests")
    found = await inspection.inspect(client.execute_command, 1)
    await client.aclose()
    assert judge(found, "fsync") is None
    with shipped.client() as admin:
        settings = admin.config_get("*")
        assert int(settings["maxmemory"]) > 0
        assert settings["no-appendfsync-on-rewrite"] == "no"
        assert settings["client-output-buffer-limit"].startswith("normal 536870912 268435456 60")
        assert not settings["save"]


async def test_each_program_works_as_its_own_user(shipped):
    environ = {"HOOKBUS_INGEST_DURABILITY": "fsync", "HOOKBUS_INGEST_DRAIN_DELAY_S": "0"}
    with Ingest(shipped.url, **environ) as ingest, Worker(shipped.url, "failing", "plain") as running:
        await ingest.until_healthy()
        await running.until_working()
        assert await post(ingest.url, "wh_1", event_body()) == (200, "accepted")
        assert (await post(ingest.url, "wh_2", event_body(), secret="whsec_" + "b3RoZXIt" * 6))[0] == 401
        any_port = {"HOOKBUS_WORKER_EXPORTER_LISTEN": "127.0.0.1:0"}
        with Program("hookbus-worker", "exporter", redis_url=shipped.url, **any_port) as exporter:
            await exporter.until_logged("exporting")
            assert not exporter.logged("redis_unreachable")
        for group in ("failing", "plain"):
            assert objects(shipped.url, "status", "--json")[0]["groups"][group]["consumers_alive"] == 1
        assert await running.end() == 0
        assert await ingest.end() == 0
    with shipped.client() as admin:
        assert admin.acl_log() == []


@pytest.mark.parametrize("sent", FORBIDDEN)
async def test_no_user_may_run_other_commands(server, redis_url, sent):
    with server.client() as client:
        client.xadd(STREAM, {"id": "1"})
        client.xgroup_create(STREAM, "billing")
    may = [user for user in FORBIDDEN[sent] if not await refused(redis_url, user, sent)]
    assert may == []


def test_passwords_stay_and_the_acl_file_holds_none(tmp_path):
    subprocess.run([users.FOLDER / "make-users.sh", tmp_path], check=True, capture_output=True)
    first = (tmp_path / "users.acl").read_text()
    passwords = {file.stem: file.read_text() for file in tmp_path.glob("*.password")}
    assert sorted(passwords) == sorted(users.NAMES)
    assert all(len(password) == 48 and password not in first for password in passwords.values())
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}

    (tmp_path / "users.acl").chmod(0o640)  # an administrator may have changed it
    (tmp_path / "worker.password").unlink()
    subprocess.run([users.FOLDER / "make-users.sh", tmp_path], check=True, capture_output=True)
    changed = set(first.splitlines()) ^ set((tmp_path / "users.acl").read_text().splitlines())
    assert {line.split()[1] for line in changed} == {"worker"}
    assert stat.S_IMODE((tmp_path / "users.acl").stat().st_mode) == 0o640


@pytest.mark.needs("root")  # only root may give files away
def test_an_acl_file_that_is_made_again_keeps_its_owner(tmp_path):
    for _ in range(2):
        subprocess.run([users.FOLDER / "make-users.sh", tmp_path], check=True, capture_output=True)
        os.chown(tmp_path / "users.acl", 1, 1)
    subprocess.run([users.FOLDER / "make-users.sh", tmp_path], check=True, capture_output=True)
    assert (tmp_path / "users.acl").stat().st_uid == 1


@pytest.mark.parametrize("user", users.NAMES)
async def test_another_database_of_the_same_redis_may_be_used(server, redis_url, user):
    url = as_user(redis_url, user)
    async with connect(f"{url}{'&' if '?' in url else '?'}db=1", "tests") as client:
        assert await client.execute_command("HMGET", keys.META, "layout") == [None]


def test_the_default_user_is_off(tmp_path):
    first, *_ = users.acl_file(tmp_path).read_text().splitlines()
    # All rights, since Redis loads its file as this user; `test_redis_restart.py` shows the loss without them.
    assert first == "user default off resetchannels ~* &* +@all"


ADVICE = "check user and password in redis_url, and load the ACL of this release (deploy/redis)"


async def test_a_tool_with_the_wrong_user_reports_it_in_one_line(server, redis_url):
    done = worker(as_user(redis_url, "ingest"), "dlq", "list")
    assert done.returncode == 78
    assert done.stderr.decode().startswith("hookbus-worker: Redis: ")
    assert done.stderr.decode().endswith(f"; {ADVICE}\n")
    assert done.stderr.count(b"\n") == 1
    code, _, err = await command(
        "rejections", HOOKBUS_REDIS_URL=as_user(redis_url, "worker"), OPENAI_WEBHOOK_SECRET=SECRET
    )
    assert (code, err.count("\n")) == (78, 1)
    assert "'xrange'" not in err, "the command is allowed, the key is not"
    assert err.endswith(f"; {ADVICE}\n")


async def test_check_works_as_ingest_without_reading_an_event(server, redis_url, client):
    for number in range(150):
        await client.execute_command("XADD", STREAM, "*", "id", number, "body", "x" * 200)
    await client.execute_command("SADD", "hookbus:{0}:types", "response.completed")
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT, "shards", "1")
    await client.execute_command("CONFIG", "SET", "maxmemory", "1gb")
    environ = {"HOOKBUS_REDIS_URL": redis_url, "OPENAI_WEBHOOK_SECRET": SECRET, "HOOKBUS_INGEST_DURABILITY": "memory"}
    code, out, err = await command("check", **environ)
    assert (code, err) == (0, "")
    assert "absorbs about" in out
    assert "a second" not in out  # the rate comes from the ids of the events


async def test_ingest_without_write_permission_reports_it_and_recovers(server, redis_url):
    with Ingest(redis_url) as ingest, server.client() as admin:
        await ingest.until_healthy()
        admin.execute_command("ACL", "SETUSER", "ingest", "-xadd")
        try:
            assert await post(ingest.url, "wh_1", event_body()) == (503, "queue_unavailable")
            line = await ingest.until_logged("redis_unhealthy")
            assert line["reason"].endswith(f"; {ADVICE}")
        finally:
            admin.execute_command("ACL", "SETUSER", "ingest", "+xadd")
        assert await post_until_accepted(ingest.url, "wh_1", event_body()) == "accepted"


async def test_a_worker_that_cannot_log_in_reports_it_and_recovers(server, redis_url):
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "worker", "off")
        try:
            with Worker(redis_url, "plain") as running:
                line = await running.until_logged("redis_unreachable")
                assert line["reason"].endswith(f"; {ADVICE}")
                admin.execute_command("ACL", "SETUSER", "worker", "on")
                await running.until_working()
        finally:
            admin.execute_command("ACL", "SETUSER", "worker", "on")
