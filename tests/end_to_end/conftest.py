"""What the handlers record in Redis, and a check that the ACL refuses no command."""

from collections.abc import Callable, Iterator

import pytest

from hookbus.shared.valkey import Valkey


def records_of(server: Valkey) -> Callable[..., list[str]]:
    """Return a function that reads the lists of `handlers.record`."""

    def read(group: str, kind: str = "handled") -> list[str]:
        with server.client() as client:
            return [name.decode() for name in client.lrange(f"test:{kind}:{group}", 0, -1)]

    return read


@pytest.fixture
def handled(server: Valkey, redis_url: str) -> Callable[..., list[str]]:
    """The webhook-ids that a group recorded."""
    return records_of(server)


@pytest.fixture(autouse=True)
def no_command_is_refused(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each program connects as its user of `deploy/redis`, and the ACL allows every command that it sends."""
    yield
    if "redis_url" in request.fixturenames:
        with request.getfixturevalue("server").client() as client:
            assert [(e["username"], e["reason"], e["object"]) for e in client.acl_log()] == []
