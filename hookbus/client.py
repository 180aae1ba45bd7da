"""Publishes events of your own, as a sender that signs by Standard Webhooks. Ingest stays the only writer.

    data → body → signed request → post, again while the failure may pass → `Published`, or `PublishError`

The body is an envelope like OpenAI's (`id`, `type`, `created_at`, `data`), so that `UnknownEvent`, `max_age` and
`Delivery` read it as theirs. A process that publishes imports neither ingest nor the worker.
"""

import asyncio
import math
from dataclasses import dataclass
from typing import Any, Final, Self

import aiohttp
import msgspec

from .shared import clock, http_url, keys, secret_refs
from .shared.header_names import LONGEST_ID, is_id
from .shared.posting import Answer, new_id, post, signed_request
from .shared.secret import key_bytes

__all__ = ["PublishError", "Published", "Publisher"]

LONGEST_TYPE: Final = 64
"""Behind the longest prefix of a source it is still a type (`shared/prefixes`)."""


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

    Unless the status is 4xx, the event may be stored all the same: publish it again with the same `id`. With status 200
    it is stored, but where no subscription to its type gets it.
    """

    def __init__(self, answer: Answer, attempts: int) -> None:
        self.id = answer.webhook_id
        self.status = answer.status
        self.code = answer.code
        self.attempts = attempts
        reason = answer.detail or ("" if answer.code else "the answer is not that of hookbus-ingest")
        if answer.filed_as:
            reason = f"stored as {answer.filed_as}: does the source read types elsewhere, or has it sent too many?"
        parts = str(answer.status or ""), answer.code, f"({reason})" if reason else ""
        super().__init__(f"{self.id}: {' '.join(filter(None, parts))}, attempt {attempts}")


class Publisher:
    """Posts events to a source with `scheme = "standard"`, and default `headers` and `type_at`. One HTTP session, open
    within `async with Publisher(...)`.

    The source puts its prefix before their types: what is published as `order.paid` arrives as `shop.order.paid`.
    `url` is that of the source's path, `secret` one of its secrets, or `file:PATH`, which is read here. `timeout`:
    seconds for one attempt. `connections`: the most at once; further calls of `publish` wait for one. Raises
    ValueError.
    """

    def __init__(
        self, url: str, secret: str, *, timeout: float = 10.0, attempts: int = 8, connections: int = 32
    ) -> None:
        if problem := http_url.problem(url):
            raise ValueError(f"url {url!r}: {problem}")
        if not isinstance(secret, str):
            raise ValueError("secret: text is needed; is its variable set?")  # noqa: TRY004 - as for all arguments
        if not (_is_number(timeout, float | int) and 0 < timeout < math.inf):
            raise ValueError("timeout must be above 0, in seconds")
        if not all(_is_number(each, int) and each >= 1 for each in (attempts, connections)):
            raise ValueError("attempts and connections must be whole numbers, at least 1")
        self._url = url
        self._key = key_bytes(secret_refs.first(secret), "base64")
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
        if not (isinstance(event_type, str) and keys.is_name(event_type) and len(event_type) <= LONGEST_TYPE):
            raise ValueError(f"event type {event_type!r}: 1 to {LONGEST_TYPE} of A-Z a-z 0-9 _ . - are needed")
        if event_type.startswith(keys.RESERVED):
            raise ValueError(f"event type {event_type!r}: those that begin with {keys.RESERVED!r} are hookbus's own")
        if id is not None and not (isinstance(id, str) and is_id(id)):
            raise ValueError(f"id {id!r}: 1 to {LONGEST_ID} visible ASCII characters are needed")
        webhook_id = id or new_id("msg")
        envelope = {"id": webhook_id, "type": event_type, "created_at": clock.now_s(), "data": _encoded(data)}
        body = msgspec.json.encode(envelope)
        attempt = 1
        while not (answer := await self._post(webhook_id, body)).is_stored:
            if attempt == self._attempts or not answer.may_pass:
                raise PublishError(answer, attempt)
            await asyncio.sleep(answer.wait_s(attempt))
            attempt += 1
        if answer.filed_as:
            raise PublishError(answer, attempt)
        return Published(webhook_id, answer.code == "duplicate")

    async def _post(self, webhook_id: str, body: bytes) -> Answer:
        # Not in the connector, where a wait would count towards the timeout.
        async with self._places:
            if self._session is None:
                raise RuntimeError("a Publisher is used within `async with`")
            # Signed for each attempt: a signature is valid for minutes.
            request = signed_request(self._key, body, webhook_id)
            return await post(self._session, self._url, request, timeout_s=self._timeout_s)


def _encoded(data: Any) -> msgspec.Raw:
    """The data as one JSON value. A `Raw` within them is anything: it must not add fields to the envelope."""
    try:
        encoded = msgspec.json.encode(data)
        msgspec.json.decode(encoded)
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise TypeError(f"data can't be encoded as JSON: {error}") from error
    return msgspec.Raw(encoded)


def _is_number(value: object, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
