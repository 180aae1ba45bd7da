"""The notes of the handlers, read from outside."""

from collections.abc import Callable, Iterator

import pytest

from deploy.local.valkey import Valkey


def notes_of(server: Valkey) -> Callable[..., list[str]]:
    """Reads the lists that `handlers.note` writes."""

    def read(group: str, what: str = "handled") -> list[str]:
        with server.client() as client:
            return [name.decode() for name in client.lrange(f"test:{what}:{group}", 0, -1)]

    return read


@pytest.fixture
def handled(server: Valkey, redis_url: str) -> Callable[..., list[str]]:
    """The webhook-ids that a group noted."""
    return notes_of(server)


@pytest.fixture(autouse=True)
def nobody_is_refused(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each program comes as its user of `deploy/redis`: whatever it asked for, its rules allow."""
    yield
    if "redis_url" in request.fixturenames:
        with request.getfixturevalue("server").client() as client:
            assert [(e["username"], e["reason"], e["object"]) for e in client.acl_log()] == []
