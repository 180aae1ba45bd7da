"""A server in place of ingest, for consoles that send test events."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from hookbus.shared.secret import Secret

SECRET = Secret("whsec_dGhlIHNlY3JldCBvZiB0aGUgY29uc29sZQ==")
ACCEPTED = '{"status": "accepted"}'


class Receiver:
    """Answers each post with `answer`, such as {"status": 401, "text": …}; `posts` are the headers of each, `bodies`
    what came with them."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {"text": ACCEPTED}
        self.posts: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.url = ""

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """The answer to a post."""
        self.posts.append({name.lower(): text for name, text in request.headers.items()})
        self.bodies.append(await request.read())
        return web.Response(**self.answer)

    @property
    def settings(self) -> dict[str, object]:
        """Of a console that sends here, and whose person may do it."""
        return {"console_role": "operator", "console_send_url": self.url, "console_send_secret": SECRET}


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver that accepts everything."""
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/openai"
    try:
        yield receiver
    finally:
        await runner.cleanup()
