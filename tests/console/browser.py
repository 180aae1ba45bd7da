"""Chromium as people use it, and a real console beside it."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests import tools
from tests.programs import Program

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, ConsoleMessage, Page

CONTEXT = {"viewport": {"width": 1440, "height": 900}}

with_and_without_scripts = pytest.mark.parametrize("has_scripts", [pytest.param(True, marks=pytest.mark.slow), False])
"""Each action works without scripts (criterion 16), which is the half that `make test` runs."""


@contextlib.asynccontextmanager
async def console(redis_url: str, *arguments: str, **environ: str) -> AsyncIterator[str]:
    """The address of a running console, without the slash at its end."""
    options = ("--listen", "127.0.0.1:0", *arguments)
    with Program("hookbus-worker", "console", *options, redis_url=redis_url, **environ) as program:
        yield (await program.until_logged("serving"))["url"].rstrip("/")
        assert not program.logged("page_failed")
        assert await program.end() == 0


class Reports:
    """What a page must never do: errors, messages to the console, dialogs, violations, requests elsewhere."""

    def __init__(self, url: str, expected: str) -> None:
        self.url = url
        self.expected = expected
        self.found: list[str] = []

    def watch(self, page: "Page") -> None:
        """Collect from a page."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on("dialog", lambda dialog: self.found.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self._request(request.url))

    def _console(self, message: "ConsoleMessage") -> None:
        is_answer = message.text.startswith("Failed to load resource: the server responded with a status of 4")
        if self.expected and self.expected in message.text:
            return
        if not is_answer or "/static/" in message.location["url"]:
            self.found.append(f"console: {message.text}")

    def _request(self, url: str) -> None:
        if not url.startswith(self.url):
            self.found.append(f"request: {url}")


@contextlib.asynccontextmanager
async def browser(url: str, **options: Any) -> AsyncIterator["Page"]:
    """A page in a fresh Chromium; whatever it reports fails the test."""
    async with contexts(url) as new:
        yield await new(**options)


@contextlib.asynccontextmanager
async def contexts(url: str, expected: str = "") -> AsyncIterator[Any]:
    """A function that opens a page in a context of its own; reports as in `browser`, but for the expected text."""
    path = tools.need("chromium")
    from playwright.async_api import async_playwright

    reports = Reports(url, expected)
    async with async_playwright() as playwright:
        # As root, as in CI, Chromium has no sandbox; it meets nothing but our own pages.
        started = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        opened: list[BrowserContext] = []

        async def new(**options: Any) -> "Page":
            context = await started.new_context(**{**CONTEXT, **options}, base_url=url)
            opened.append(context)
            page = await context.new_page()
            reports.watch(page)
            return page

        try:
            yield new
        finally:
            for context in opened:
                await context.close()
            await started.close()
    assert reports.found == [], reports.found


def sizes() -> Iterator[tuple[int, int]]:
    """Phone, tablet, desktop."""
    yield from ((390, 844), (900, 1100), (1440, 900))
