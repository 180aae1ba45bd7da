"""Publishes events of your own, as a sender that signs by Standard Webhooks. Ingest stays the only writer.

    data → body → signed request → post, again while the failure may pass → `Published`, or `PublishError`

The body is an envelope like OpenAI's (`id`, `type`, `created_at`, `data`), so that `UnknownEvent`, `max_age` and
`Delivery` read it as theirs. A process that publishes imports neither ingest nor the worker.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final, Self

import aiohttp
import msgspec

from .shared import backoff, clock, keys
from .shared.header_names import LONGEST_ID, is_id
from .shared.posting import NO_ANSWER, Answer, new_id, post, signed_request
from .shared.secret import key_bytes

__all__ = ["PublishError", "Published", "Publisher"]

BASE_S: Final = 0.1
CAP_S: Final = 10.0
"""Waits between attempts: the eight of the default take 13 s, enough for a restart of ingest or a failover of Redis."""
LONGEST_RETRY_AFTER_S: Final = 30.0
"""A proxy may ask for any time; beyond this the caller decides."""
TRANSIENT: Final = frozenset({NO_ANSWER, 408, 429})
"""Statuses after which the same post may succeed, beside all from 500 on. 408: the body came too slowly."""


@dataclass(frozen=True, slots=True)
class Published:
    """A stored event. `id` is its webhook-id.

    `is_duplicate`: it was stored before, by an earlier `publish` with this id, or by an attempt of this one whose
    answer was lost.
    """

    id: str
    is_duplicate: bool


class PublishError(Exception):
    """An event was not published. `status` and `code` are those of the last answer; 0 without an answer.

    Unless the status is 4xx, the event may be stored all the same: publish it again with the same `id`.
    """

    def __init__(self, answer: Answer, attempts: int) -> None:
        self.id = answer.webhook_id
        self.status = answer.status
        self.code = answer.code
        self.attempts = attempts
        reason = answer.detail or ("" if answer.code else "the answer is not that of hookbus-ingest")
        parts = str(answer.status or ""), answer.code, f"({reason})" if reason else ""
        super().__init__(f"{self.id}: {' '.join(filter(None, parts))}, attempt {attempts}")


class Publisher:
    """Posts events to a source with `scheme = "standard"`. One HTTP session, open within `async with Publisher(...)`.

    The source puts its prefix before their types: what is published as `order.paid` arrives as `shop.order.paid`.
    `url` is that of the source's path, `secret` one of its secrets. `timeout`: seconds for one attempt. `connections`:
    the most at once; further calls of `publish` wait for one. Raises ValueError.
    """

    def __init__(
        self, url: str, secret: str, *, timeout: float = 10.0, attempts: int = 8, connections: int = 32
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"url {url!r}: http://… or https://… is needed")
        if timeout <= 0 or attempts < 1 or connections < 1:
            raise ValueError("timeout must be above 0, attempts and connections at least 1")
        self._url = url
        self._key = key_bytes(secret, "base64")
        self._timeout_s = timeout
        self._attempts = attempts
        self._session: aiohttp.ClientSession | None = None
        self._places = asyncio.Semaphore(connections)

    async def __aenter__(self) -> Self:
        if self._session is not None:
            raise RuntimeError("this Publisher is open already")
        connector = aiohttp.TCPConnector(limit=0)  # `_places` bounds them
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def publish(self, event_type: str, data: Any, *, id: str | None = None) -> Published:  # noqa: A002
        """Publish an event; returns once it is stored. `data` is anything that msgspec encodes.

        Events with the same `id` are stored once within ingest's dedupe window; without one it gets its own, which all
        attempts have. Raises PublishError, ValueError for an impossible type or id, TypeError for impossible data.
        """
        if not keys.is_name(event_type):
            raise ValueError(f"event type {event_type!r}: 1 to 128 of A-Z a-z 0-9 _ . - are needed")
        if id is not None and not is_id(id):
            raise ValueError(f"id {id!r}: 1 to {LONGEST_ID} visible ASCII characters are needed")
        webhook_id = id or new_id("msg")
        body = msgspec.json.encode({"id": webhook_id, "type": event_type, "created_at": clock.now_s(), "data": data})
        attempt = 1
        while not (answer := await self._post(webhook_id, body)).is_stored:
            if attempt == self._attempts or not _may_pass(answer.status):
                raise PublishError(answer, attempt)
            await asyncio.sleep(_wait_s(attempt, answer))
            attempt += 1
        return Published(webhook_id, answer.code == "duplicate")

    async def _post(self, webhook_id: str, body: bytes) -> Answer:
        # Not in the connector, where a wait would count towards the timeout.
        async with self._places:
            if self._session is None:
                raise RuntimeError("a Publisher is used within `async with`")
            # Signed for each attempt: a signature is valid for minutes.
            request = signed_request(self._key, body, webhook_id)
            return await post(self._session, self._url, request, timeout_s=self._timeout_s)


def _may_pass(status: int) -> bool:
    return status in TRANSIENT or status >= 500


def _wait_s(attempt: int, answer: Answer) -> float:
    """Seconds until the next attempt: at least what the receiver asked for."""
    wait_s = backoff.jittered_s(backoff.step_s(attempt, base_s=BASE_S, factor=2, cap_s=CAP_S))
    return max(wait_s, min(answer.retry_after_s, LONGEST_RETRY_AFTER_S))
