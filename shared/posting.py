"""Posts signed deliveries as a sender does: one request, one `Answer`, whatever the network or the receiver does.

body → signed request → post → answer
"""

import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp

from . import backoff, clock
from .header_names import WEBHOOK, HeaderNames
from .secret import sign

POST_TIMEOUT_S: Final = 30.0
ANSWER_TIMEOUT_S: Final = 10.0
"""For who waits for the answer: ingest answers within 5 s by default, whatever Redis does
(`ingest.enqueue_timeout_s`)."""
NO_ANSWER: Final = 0
"""Status of a post without a response; its code is `no_answer`, or `no_connection` if it was never sent."""

REDIRECT: Final = 300
"""Stands for each redirect, which senders do not follow."""
TRANSIENT: Final = frozenset({NO_ANSWER, 408, 425, 429})
"""Statuses after which the same post may succeed, beside all from 500 on. 408: the body came too slowly."""
BASE_S: Final = 0.1
CAP_S: Final = 10.0
"""Waits between posts of one event: eight take 13 s, enough for a restart of ingest or a failover of Redis."""
LONGEST_RETRY_AFTER_S: Final = 30.0
"""A proxy may ask for any time; beyond this the caller decides."""

Expected = tuple[int, str]
"""Status and code that an answer must have; "" matches any code."""


@dataclass(frozen=True, slots=True)
class Request:
    """A signed delivery, ready to be posted."""

    webhook_id: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a post. `code` is the `status` or `error` in the response; `detail` says why there is none.

    `retry_after_s` is what the receiver asked for, 0 if it named no seconds. `filed_as` is the type in storage that the
    receiver names: the event did not get its own.
    """

    status: int
    code: str
    latency_ms: float
    webhook_id: str
    detail: str = ""
    retry_after_s: float = 0.0
    filed_as: str = ""

    def is_as(self, expected: Expected) -> bool:
        """Whether this is the expected answer."""
        status, code = expected
        return self.status == status and code in ("", self.code)

    @property
    def is_stored(self) -> bool:
        """Whether hookbus-ingest says that the event is stored: any web server may answer 200."""
        return self.status == 200 and self.code in ("accepted", "duplicate")

    @property
    def may_pass(self) -> bool:
        """Whether the same post may succeed later."""
        return self.status in TRANSIENT or self.status >= 500

    def wait_s(self, attempt: int) -> float:
        """Seconds until the next attempt after this one (from 1), at least what the receiver asked for."""
        wait_s = backoff.jittered_s(backoff.step_s(attempt, base_s=BASE_S, factor=2, cap_s=CAP_S))
        return max(wait_s, min(self.retry_after_s, LONGEST_RETRY_AFTER_S))

    @property
    def is_unknown(self) -> bool:
        """Whether the fate of the post is unknown: the receiver may have it, and may yet store it."""
        return self.status == NO_ANSWER and self.code != "no_connection"

    def refusal(self, remedies: Mapping[int, str]) -> str:
        """Describe an answer that is no acceptance, with its remedy by status, `REDIRECT` for all redirects."""
        if self.detail:
            return self.detail
        text = f"{self.status} {self.code}".strip()
        remedy = remedies.get(REDIRECT if 300 <= self.status < 400 else self.status, "")
        if self.code.startswith("timestamp_"):
            remedy = "the clocks of this machine and of ingest's differ too much"
        return f"{text}: {remedy}" if remedy else text


def new_id(prefix: str) -> str:
    """A fresh id in OpenAI's shape: `evt_…`, `wh_…`."""
    return f"{prefix}_{secrets.token_hex(16)}"


def signed_request(
    key: bytes,
    body: bytes,
    webhook_id: str = "",
    *,
    age_s: int = 0,
    is_forged: bool = False,
    names: HeaderNames = WEBHOOK,
) -> Request:
    """Sign a body now, or as if `age_s` seconds ago; a forged one is signed with another key.

    Without `webhook_id` it gets a fresh one. A second request with the same id looks like a sender's retry.
    """
    webhook_id = webhook_id or new_id("wh")
    timestamp = str(clock.now_s() - age_s)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "hookbus",
        names.id: webhook_id,
        names.timestamp: timestamp,
        names.signature: sign(key + b"forged" if is_forged else key, webhook_id, timestamp, body),
    }
    return Request(webhook_id, headers, body)


async def post(
    session: aiohttp.ClientSession, url: str, request: Request, *, timeout_s: float = POST_TIMEOUT_S
) -> Answer:
    """Post a request once. Never raises for a failure of the network or the receiver."""
    began = time.perf_counter()
    status, code, detail, retry_after_s, filed_as = NO_ANSWER, "no_answer", "", 0.0, ""
    try:
        async with session.post(
            url,
            data=request.body,
            headers=request.headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(timeout_s),
        ) as response:
            status, (code, filed_as) = response.status, _read(await response.read())
            retry_after_s = _seconds(response.headers.get("Retry-After", ""))
    except (aiohttp.ClientError, OSError) as error:
        code = "no_connection" if isinstance(error, aiohttp.ClientConnectorError) else code
        # aiohttp's text for a refused connection lists addresses; the system's text is clearer, except for TLS, whose
        # error numbers are not those of the system.
        number = 0 if isinstance(error, aiohttp.ClientSSLError) else getattr(error, "errno", None) or 0
        detail = os.strerror(number) if number > 0 else str(error) or "no answer in time"
    latency_ms = (time.perf_counter() - began) * 1000
    return Answer(status, code, latency_ms, request.webhook_id, detail, retry_after_s, filed_as)


def _seconds(text: str) -> float:
    """A Retry-After in seconds; 0 for a date (RFC 9110, 10.2.3), which needs clocks that agree."""
    return float(text) if text.isdecimal() and text.isascii() and len(text) <= 9 else 0.0


def _read(body: bytes) -> tuple[str, str]:
    """The code in a response, and the type in storage; both "" without them."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(document, dict):
        return "", ""
    return str(document.get("status") or document.get("error") or ""), str(document.get("type") or "")
