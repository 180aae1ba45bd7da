"""Every route of the console with every name that it reads of an address or a form, found by asking it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import aiohttp
import pytest

from hookbus.worker.console import app
from hookbus.worker.console.asked import Asked
from hookbus.worker.console.routes import ROUTES
from tests.worker.console.receiving import receiving
from tests.worker.console.serving import serving

OURS: Final = {"Sec-Fetch-Site": "same-origin"}


class Noting(dict[str, str]):
    """Fields that note which of them are asked for."""

    def __init__(self, given: Mapping[str, str], noted: set[str]) -> None:
        super().__init__(given)
        self.noted = noted

    def get(self, name: str, default: Any = None) -> Any:
        """The value."""
        self.noted.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self.noted.add(name)
        return super().__getitem__(name)


def paths(parts: Mapping[str, str], method: str) -> Iterator[str]:
    """The path of each route; `parts` has an example of each named part. A new one needs an example there."""
    for route in ROUTES:
        if route.method == method:
            yield re.sub(r"\(\?P<(\w+)>.*?\)", lambda match: parts[match[1]], route.path.pattern)


async def names(
    redis_url: str, parts: Mapping[str, str], form: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> dict[tuple[str, str], set[str]]:
    """Method and path of each route → the names that its page reads, given these fields."""
    noted: set[str] = set()

    def asked(*arguments: Any, **keywords: Any) -> Asked:
        made = Asked(*arguments, **keywords)
        return replace(made, query=Noting(made.query, noted), form=Noting(made.form, noted))

    found = {}
    with monkeypatch.context() as patched:
        patched.setattr(app, "Asked", asked)
        async with receiving() as receiver, serving(redis_url, **receiver.settings) as session:
            for method in ("GET", "POST"):
                for path in paths(parts, method):
                    noted.clear()
                    await _ask(session, method, path, form)
                    found[method, path] = set(noted)
    return found


async def form_fields(
    redis_url: str, parts: Mapping[str, str], form: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, str]]:
    """Path and name of each field of a form that a page reads, given these fields."""
    read = await names(redis_url, parts, form, monkeypatch)
    found = [(path, name) for (method, path), fields in read.items() for name in sorted(fields) if method == "POST"]
    assert len(found) > len(form)
    return found


async def _ask(session: aiohttp.ClientSession, method: str, path: str, form: Mapping[str, str]) -> None:
    data = form if method == "POST" else None
    async with session.request(method, path, data=data, headers=OURS, allow_redirects=False) as response:
        assert response.status < 500, (path, await response.text())
