"""One request, from its path to its answer: the cheapest refusal first.

    method and path → Content-Length → body, with a deadline → is it text? → signature and age → type → store

The table of HTTP responses in README.md beside it is this file. The signature covers the bytes on the wire, so that
they are neither decompressed nor refused for what a header says of them.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from ..shared import clock, decoding, keys, log
from ..shared.fast_metrics import FastCounter
from ..shared.http_connection import prove
from ..shared.sources import plain_path
from . import metrics
from .answer import PrebuiltResponse, answer
from .body import Bodies
from .commit import Received
from .enqueue import Queue, RefusedError
from .refusal import STATUSES, Refusal, unavailable
from .rejections import Rejection, rejection
from .signature import SignatureError, Verifier
from .type_bound import TypeBound

UNAUTHORIZED: Final = HTTPStatus.UNAUTHORIZED.value
MAX_DETOURS: Final = 100
"""Paths that are remembered as noted; only requests with a valid signature count."""
COMPRESSIONS: Final = frozenset(("br", "compress", "dcb", "dcz", "deflate", "gzip", "x-compress", "x-gzip", "zstd"))
"""https://www.iana.org/assignments/http-parameters, content codings."""
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A source as the receiver sees it."""

    source: str
    verifier: Verifier


class Receiver:
    """Answers requests. `endpoints` by path; `queues` by shard; `note` is told of some refusals each second."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        queues: Sequence[Queue],
        bodies: Bodies,
        note: Callable[[Rejection], None],
    ) -> None:
        self._endpoints = endpoints
        self._by_plain_path: dict[str, Endpoint] = {}
        """For paths that no source has to the letter; of two that look alike, the first source's."""
        self._detours: set[str] = set()
        self._queues = queues
        self._type_bound = TypeBound()
        self._bodies = bodies
        self._note = note
        self._log = log.get("ingest")
        self._throttle = log.Throttle()
        self._sums: dict[tuple[str, str], FastCounter] = {}
        self._matches: dict[tuple[str, int], FastCounter] = {}
        self._stored = {
            "accepted": PrebuiltResponse(b'{"status": "accepted"}'),
            "duplicate": PrebuiltResponse(b'{"status": "duplicate"}'),
        }
        self.is_leaving = False
        """After SIGTERM: still serving, but each answer closes its connection, so that clients go elsewhere."""

    def take(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Go by these endpoints from now on; a request in hand keeps the one that it has."""
        self._endpoints = endpoints
        self._by_plain_path = {}
        for path, endpoint in endpoints.items():
            self._by_plain_path.setdefault(plain_path(path), endpoint)
        for endpoint in endpoints.values():
            for code in STATUSES:
                self._sum(endpoint.source, code)
            metrics.UNTYPED_EVENTS.labels(endpoint.source)

    def close(self) -> None:
        """Wait for no more bytes, since aiohttp drops what comes from here on. What has come whole is still stored."""
        self._bodies.close()

    def count(self, source: str, code: str) -> None:
        """Count an answer, or what became of a connection without one."""
        found = self._sums.get((source, code)) or self._sum(source, code)
        found.value += 1

    def _sum(self, source: str, code: str) -> FastCounter:
        """There before the first answer, as Prometheus sees no increase in a series that begins above zero."""
        return self._sums.setdefault((source, code), metrics.REQUESTS.labels(source, str(STATUSES[code]), code))

    def _count_match(self, source: str, secret: int) -> None:
        found = self._matches.get((source, secret))
        if found is None:
            found = self._matches[source, secret] = metrics.SECRET_MATCHES.labels(source, str(secret))
        found.value += 1

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        began = time.perf_counter()
        endpoint = self._endpoints.get(request.path)
        is_detour = endpoint is None
        if is_detour:
            endpoint = self._by_plain_path.get(plain_path(request.path))
        source = endpoint.source if endpoint else ""
        try:
            code = "accepted" if await self._accept(request, endpoint) else "duplicate"
        except Refusal as refusal:
            self.count(source, refusal.code)
            response = self._refused(request, refusal, source)
            if self.is_leaving:
                response.force_close()
            return response
        if is_detour:
            self._note_detour(request, source)
        self.count(source, code)
        metrics.ACK_SECONDS.observe(time.perf_counter() - began)
        return self._stored[code].to(request, time.time(), not self.is_leaving)

    def _note_detour(self, request: web.BaseRequest, source: str) -> None:
        """Say once of each path that a sender is served at it although it is nobody's to the letter."""
        path = request.path
        if path not in self._detours and len(self._detours) < MAX_DETOURS:
            self._detours.add(path)
            self._log.warning("path_mismatch", source=source, path=path, peer=request.remote)
            self._note(rejection(request, Refusal(200, "accepted"), source, time.time(), 0))

    async def _accept(self, request: web.BaseRequest, endpoint: Endpoint | None) -> bool:
        """Store the event of a request; True when new. Raises Refusal."""
        if endpoint is None:
            raise Refusal(404, "unknown_endpoint")
        self._check_head(request)
        body = await self._bodies.read(request)
        if "Content-Encoding" in request.headers and _is_compressed(request, body):
            raise Refusal(415, "unsupported_encoding")
        event = self._verified(request, endpoint, body)
        queue = self._queues[keys.shard_of(event.webhook_id, len(self._queues))]
        self._bodies.wait(len(body))
        try:
            is_new = await queue.store(event)
        except RefusedError as error:
            raise unavailable(error.code) from error
        finally:
            self._bodies.leave(len(body))
        self._log.debug(
            "stored" if is_new else "duplicate",
            webhook_id=event.webhook_id,
            type=event.event_type,
            source=event.source,
        )
        return is_new

    def _check_head(self, request: web.BaseRequest) -> None:
        if request.method != "POST":
            raise Refusal(405, "method_not_allowed", headers={"Allow": "POST"})
        if (request.content_length or 0) > self._bodies.max_bytes:
            raise Refusal(413, "body_too_large", close=True)

    def _verified(self, request: web.BaseRequest, endpoint: Endpoint, body: bytes) -> Received:
        headers = request.headers
        now = time.time()
        try:
            self._count_match(endpoint.source, endpoint.verifier.verify(headers, body, now))
        except SignatureError as error:
            status = UNAUTHORIZED if error.code == "signature_mismatch" else 400
            raise Refusal(status, error.code) from error
        prove(request)
        traceparent = headers.get("traceparent", "")
        if traceparent and _TRACEPARENT.fullmatch(traceparent) is None:
            traceparent = ""
        at_ms = clock.now_ms()  # Redis', by which workers tell its age
        event_type, delay_ms = _head(body, at_ms)
        event_type = self._type_bound.name_of(event_type, endpoint.source)
        return Received(event_type, headers["webhook-id"], endpoint.source, at_ms, body, traceparent, delay_ms)

    def _refused(self, request: web.BaseRequest, refusal: Refusal, source: str) -> web.Response:
        suppressed = self._throttle.suppressed(refusal.code)
        if suppressed is not None:
            # Whoever can reach the port can cause a refusal: a warning only for what a source's own sender meets.
            level = self._log.warning if source and refusal.status != 405 else self._log.debug
            more = {"suppressed": suppressed} if suppressed else {}
            reason = str(refusal.__cause__ or "")
            level("refused", code=refusal.code, source=source, peer=request.remote, reason=reason, **more)
            self._note(rejection(request, refusal, source, time.time(), suppressed))
        response = answer(refusal.status, msgspec.json.encode({"error": refusal.code}), refusal.headers)
        if refusal.close:
            response.force_close()
        return response


def _is_compressed(request: web.BaseRequest, body: bytes) -> bool:
    """Whether the body is in a coding that nothing here reads, rather than only said to be."""
    codings = ",".join(request.headers.getall("Content-Encoding")).lower()
    if COMPRESSIONS.isdisjoint(coding.strip() for coding in codings.split(",")):
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    return False


def _head(body: bytes, at_ms: int) -> tuple[str, int | None]:
    """The type whose stream the event goes to, and how late its sender was. It is signed, so it is stored anyway."""
    try:
        head = decoding.read_head(body)
    except decoding.UNDECODABLE:
        return keys.UNTYPED, None
    return head.type if keys.is_name(head.type) else keys.UNTYPED, head.delay_ms(at_ms)
