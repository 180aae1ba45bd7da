import asyncio
import time
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from hookbus.shared import certificate, redis_findings
from hookbus.shared.address import Address, RedisUrl
from hookbus.shared.connection import connect, connect_blocking
from hookbus.shared.settings import Common, ConfigError, load
from hookbus.shared.tls import Tls
from tests import tls
from tests.tls import Front

pytestmark = pytest.mark.needs("openssl")
URL = "rediss://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    tls.make(folder, "first")
    return folder


def files(folder: Path, **changes: str) -> dict[str, str]:
    return {
        "redis_ca_file": f"file:{folder / 'ca.crt'}",
        "redis_cert_file": str(folder / "client.crt"),
        "redis_key_file": str(folder / "client.key"),
    } | changes


async def test_replaced_certificates_are_followed_without_a_restart(server, tmp_path):
    tls.make(tmp_path, "first")
    front = await Front(tmp_path, server.socket).start()
    settings = load(Common, "worker", None, table={"redis_url": f"rediss://127.0.0.1:{front.port}/0"} | files(tmp_path))
    address = settings.address()
    client = connect(address, "tests", connections=1)
    blocking = connect_blocking(address, "tests", reply_timeout_s=5)
    assert await client.execute_command("PING")
    assert await asyncio.to_thread(blocking.ping)
    await front.stop()
    tls.make(tmp_path, "second")
    await front.start()
    await _ping_twice_at_most(client)  # the connection that was cut may fail once
    assert await client.execute_command("PING")
    await asyncio.to_thread(blocking.connection_pool.disconnect)
    assert await asyncio.to_thread(blocking.ping)
    blocking.close()
    await client.aclose()
    await front.stop()


async def test_a_certificate_for_another_host_is_refused_unless_its_name_is_configured(server, certificates):
    front = await Front(certificates, server.socket).start()
    url = f"rediss://localhost:{front.port}/0"
    for name, is_right in (("", False), ("other.test", False), ("redis.test", True)):
        settings = load(Common, "worker", None, table={"redis_url": url} | files(certificates, redis_server_name=name))
        client = connect(settings.address(), "tests")
        if is_right:
            assert await client.execute_command("PING")
        else:
            with pytest.raises(RedisConnectionError, match="certificate is not valid for"):
                await client.execute_command("PING")
        await client.aclose()
    await front.stop()


def problems(**settings: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(Common, "worker", None, table={"redis_url": URL} | settings)
    return caught.value.problems


def test_invalid_files_are_reported_at_the_start_with_setting_and_path(certificates, tmp_path):
    junk, missing = tmp_path / "junk", tmp_path / "missing"
    junk.write_text("no certificate")
    valid = files(certificates)
    assert problems(redis_ca_file=f"file:{missing}") == [f"redis_ca_file: {missing}: No such file or directory"]
    assert problems(redis_ca_file=str(junk)) == [f"redis_ca_file: {junk}: no certificate in PEM form"]
    assert problems(redis_key_file=valid["redis_key_file"]) == ["redis_key_file: set without redis_cert_file"]
    assert problems(**valid | {"redis_cert_file": str(junk)}) == [
        f"redis_cert_file: {junk}: no certificate with its key in PEM form"
    ]
    other = str(certificates / "server.key")
    assert problems(**valid | {"redis_key_file": other}) == [f"redis_key_file: {other}: not the key of redis_cert_file"]
    tls._openssl(certificates, f"rsa -aes128 -passout pass:secret -in client.key -out {tmp_path / 'locked'}")
    assert problems(**valid | {"redis_key_file": str(tmp_path / "locked")}) == [
        f"redis_key_file: {tmp_path / 'locked'}: it is encrypted"
    ]
    (line,) = problems(redis_ca_file="credential:ca")
    assert line.startswith("redis_ca_file: credential:ca: $CREDENTIALS_DIRECTORY is not set")


def test_settings_of_tls_are_refused_without_rediss():
    assert problems(redis_url="redis://h", redis_server_name="x") == [
        "redis_server_name: of no use, as redis_url does not begin with 'rediss://'"
    ]


@pytest.mark.parametrize(
    ("option", "setting"),
    [
        ("ssl_ca_certs=/x", "redis_ca_file"),
        ("ssl_ca_cert=/x", "redis_ca_file,"),
        ("ssl_min_version=TLSv1_3", "redis_ca_file,"),
    ],
)
def test_options_of_tls_in_the_url_are_refused_with_the_setting_to_use(option, setting):
    (line,) = problems(redis_url=f"{URL}?{option}")
    assert line.startswith(f"redis_url: {option.partition('=')[0]!r} is not allowed in the URL")
    assert setting in line


def test_the_old_certificates_remain_valid_while_files_are_half_replaced(certificates, tmp_path):
    for file in certificates.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    followed = Tls(*files(tmp_path).values())
    before = followed.context()
    (tmp_path / "client.key").write_text("half")
    assert followed.context() is before
    (tmp_path / "client.key").unlink()
    assert followed.context() is before
    (tmp_path / "client.key").write_bytes((certificates / "client.key").read_bytes())
    assert followed.context() is not before


async def test_certificates_of_server_and_client_that_expire_soon_are_warnings(server, certificates):
    front = await Front(certificates, server.socket).start()
    address = Address(f"rediss://127.0.0.1:{front.port}/0", Tls(*files(certificates).values()))
    client = connect(address, "tests", connections=1)
    await client.execute_command("PING")
    now_s, day_s = time.time(), 86_400
    assert redis_findings.expiring(address.tls, now_s) == []
    findings = redis_findings.expiring(address.tls, now_s + 90 * day_s)
    assert [(finding.exit_code, finding.code, finding.problem.partition(" expires")[0]) for finding in findings] == [
        (0, "certificate_expires", "Redis' certificate"),
        (0, "certificate_expires", "our certificate (redis_cert_file)"),
    ]
    text = (certificates / "server.crt").read_text()
    assert certificate.of_pem(text) == address.tls.server
    await client.aclose()
    await front.stop()


async def test_both_kinds_of_client_follow_a_changed_password_file(own_server, tmp_path):
    file = tmp_path / "url"

    def set_password(password: str) -> None:
        with own_server.client() as admin:
            admin.execute_command("ACL", "SETUSER", "turned", "on", "resetpass", f">{password}", "+@all", "~*")
            admin.execute_command("CLIENT", "KILL", "USER", "turned")

    def write(password: str) -> None:
        file.write_text(own_server.url.replace("://", f"://turned:{password}@"))

    set_password("one")
    write("one")
    settings = load(Common, "worker", None, table={"redis_url": f"file:{file}"})
    address = settings.address()
    assert settings.redis_url.reference == f"file:{file}"
    client = connect(address, "tests", connections=1)
    blocking = connect_blocking(address, "tests", reply_timeout_s=5)
    assert await client.execute_command("ACL", "WHOAMI") == b"turned"
    await asyncio.to_thread(blocking.ping)
    set_password("two")
    write("two")
    await _ping_twice_at_most(client)
    await asyncio.to_thread(blocking.connection_pool.disconnect)
    await asyncio.to_thread(blocking.ping)
    before = await client.execute_command("CLIENT", "ID")
    assert not address.refresh(), "nothing changed"
    assert await client.execute_command("CLIENT", "ID") == before
    write("three")
    other_admin = own_server.client()
    other_admin.execute_command("ACL", "SETUSER", "turned", ">three")
    other_admin.close()
    assert address.refresh()
    assert await client.execute_command("CLIENT", "ID") != before
    for wrong in ("", "http://x", "rediss://h"):
        file.write_text(wrong)
        assert not address.refresh()
    assert address.url.endswith(".sock")
    assert isinstance(address.url, RedisUrl)
    blocking.close()
    await client.aclose()


async def _ping_twice_at_most(client) -> None:
    try:
        await client.execute_command("PING")
    except RedisConnectionError:
        await client.execute_command("PING")
