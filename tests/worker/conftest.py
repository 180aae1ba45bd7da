"""After each test that used Redis, nothing lies there that `shared/keys.py` does not know."""

import inspect
import re
from collections.abc import Iterator

import pytest

from deploy.local.valkey import Valkey
from shared import keys
from shared.keys import Keys

TEST_KEYS = ("test:",)
"""Prefixes of what tests may leave for themselves."""


def _families() -> re.Pattern[str]:
    """One expression for all key names, from the methods that make them."""
    shapes = [keys.META]
    for name, member in inspect.getmembers(Keys):
        if name.startswith("_") or name == "shard":
            continue
        if isinstance(member, property):
            shapes.append(getattr(Keys(0), name))
        else:
            places = len(inspect.signature(member).parameters) - 1
            shapes.append(getattr(Keys(0), name)(*["@"] * places))
    found = [re.escape(shape).replace("@", "[A-Za-z0-9_.-]{1,128}").replace(r"\{0\}", r"\{\d+\}") for shape in shapes]
    return re.compile("|".join(found))


FAMILIES = _families()


def strangers(names: list[bytes]) -> list[str]:
    """The keys that belong to nobody."""
    found = [name.decode() for name in names]
    return [name for name in found if not name.startswith(TEST_KEYS) and not FAMILIES.fullmatch(name)]


@pytest.fixture(autouse=True)
def no_strange_key_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Holds for the shared server; a test's own server goes with its data."""
    yield
    if "redis_url" in request.fixturenames:
        server: Valkey = request.getfixturevalue("server")
        with server.client() as client:
            assert strangers(client.keys("*")) == []
