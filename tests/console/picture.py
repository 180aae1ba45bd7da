"""The picture of the console in README.md: `make screenshots` makes it, of a bus and at a moment that are made up.

Beside it stands a digest of all that it was made from, so that a test can tell when the picture is out of date.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from unittest import mock

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from hookbus.worker.console import guard, static, templates
from hookbus.worker.console.app import App
from hookbus.worker.console.looker import Looker
from hookbus.worker.settings import WorkerSettings
from tests.console import sample

if TYPE_CHECKING:
    from playwright.async_api import Page

PICTURE: Final = Path(__file__).with_name("overview.png")
DIGEST: Final = PICTURE.with_suffix(".digest")
HOST: Final = "localhost"
VIEWPORT: Final[Any] = {"width": 1440, "height": 900}


def digest() -> str:
    """Of the templates, of the style sheets, and of what they show."""
    files = [*templates.FOLDER.iterdir(), *static.FOLDER.glob("*.css"), static.FOLDER / "icon.svg"]
    files += [Path(sample.__file__), Path(__file__)]
    found = hashlib.sha256()
    for file in sorted(files):
        found.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()


class Sample:
    """A console that answers from the sample; there is no Redis."""

    def __init__(self) -> None:
        nowhere = cast("Any", None)
        settings = WorkerSettings(redis_url="redis://nowhere", console_role="operator", console_name="production")
        looker = Looker(nowhere, settings.shards)
        last = sample.look()
        looker.keep(last)
        looker.history = sample.history(last)
        with mock.patch("socket.gethostname", return_value="ops-1"):
            self._app = App(nowhere, settings, looker, guard.allowed(settings.console_listen, (HOST,)))

    async def get(self, path: str) -> web.Response:
        """The answer to a browser."""
        headers = {"Host": HOST, "Sec-Fetch-Site": "none"}
        answer = await self._app.answer(make_mocked_request("GET", path, headers=headers))
        assert isinstance(answer, web.Response)
        return answer


@contextlib.asynccontextmanager
async def overview() -> "AsyncIterator[Page]":
    """The overview in Chromium. Without its script, since that tells the age of the page by the real clock."""
    from playwright.async_api import Route, async_playwright

    from tests import tools

    console = Sample()

    async def answer(route: Route) -> None:
        found = await console.get(route.request.url.removeprefix(f"http://{HOST}"))
        await route.fulfill(status=found.status, body=cast("bytes", found.body), content_type=found.content_type)

    async with async_playwright() as playwright:
        chromium = cast("str", tools.TOOLS["chromium"].find())
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page(viewport=VIEWPORT, java_script_enabled=False, color_scheme="light")
        await page.route("**/*", answer)
        await page.goto(f"http://{HOST}/")
        yield page
        await browser.close()


async def shoot() -> bytes:
    """The overview as an image."""
    async with overview() as page:
        return await page.screenshot(full_page=True)


def main() -> None:
    """Write the picture, and its digest beside it."""
    PICTURE.write_bytes(asyncio.run(shoot()))
    DIGEST.write_text(digest() + "\n")


if __name__ == "__main__":
    main()
