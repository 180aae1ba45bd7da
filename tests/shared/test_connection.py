from shared.connection import parse_info, redacted


async def test_replies_come_as_on_the_wire(client):
    await client.execute_command("XADD", "s", "1-1", "a", "b")
    assert await client.execute_command("XRANGE", "s", "-", "+") == [[b"1-1", [b"a", b"b"]]]


def test_a_password_never_shows():
    assert redacted("redis://:hunter2@host:1/0") == "redis://:***@host:1/0"
    assert redacted("rediss://user:p%2Fq@host") == "rediss://user:***@host"
    assert redacted("redis://host:1/0") == "redis://host:1/0"
    assert redacted("unix:///tmp/a.sock") == "unix:///tmp/a.sock"


def test_info_is_parsed_without_its_headings():
    assert parse_info(b"# Server\r\nredis_version:7.2.4\r\n\r\nos:a:b\r\n") == {"redis_version": "7.2.4", "os": "a:b"}
