"""One request, from its path to its response: the cheapest check first.

    method and path → Content-Length → body, with a deadline → compressed? → signature and age → type → store

The table of HTTP responses in ingest/README.md describes this file. The signature covers the bytes on the wire, so they
are not decompressed, and a Content-Encoding header alone does not refuse them.
"""

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from ..shared import clock, keys, log, paths, spans
from ..shared.fast_metrics import FastCounter
from ..shared.http_connection import prove
from ..shared.rejection import Rejection
from ..shared.throttle import Throttle
from . import metrics
from .answer import Stored, answer, stored_answers
from .body import Bodies
from .commit import Received
from .enqueue import Queue, RefusedError
from .refusal import STATUSES, Refusal, unavailable
from .rejections import rejection
from .signature import SignatureError, Verifier
from .source_types import NotAllowedError, SourceTypes
from .type_bound import TypeBound
from .verify_runs import VerifyRuns

UNAUTHORIZED: Final = HTTPStatus.UNAUTHORIZED.value
UNTYPED_REASONS: Final = ("no_type", "too_many_types")
MAX_DETOURS: Final = 100
"""Paths that are remembered as logged; only requests with a valid signature count."""
COMPRESSIONS: Final = frozenset(("br", "compress", "dcb", "dcz", "deflate", "gzip", "x-compress", "x-gzip", "zstd"))
"""https://www.iana.org/assignments/http-parameters, content codings."""
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A source: the verifier of its secrets, and its types."""

    source: str
    verifier: Verifier
    types: SourceTypes


class Receiver:
    """Answers requests. `endpoints` by path, `queues` by shard; `record` gets a limited number of refusals a second."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        queues: Sequence[Queue],
        bodies: Bodies,
        record: Callable[[Rejection], None],
        verify_runs: VerifyRuns,
    ) -> None:
        self._endpoints = endpoints
        self._by_plain_path: dict[str, Endpoint] = {}
        """By normalized path, for requests whose path no source has exactly."""
        self._detours: set[str] = set()
        self._queues = queues
        self._type_bound = TypeBound()
        self._bodies = bodies
        self._record = record
        self._verify_runs = verify_runs
        self._log = log.get("ingest")
        self._throttle = Throttle()
        self._sums: dict[tuple[str, str], FastCounter] = {}
        self._matches: dict[tuple[str, int], FastCounter] = {}
        self._stored = stored_answers()
        self._sent = _sent_in_span()
        self.is_leaving = False
        """After SIGTERM: still serving, but each answer closes its connection, so that clients go elsewhere."""

    def use_endpoints(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Replace the endpoints; requests in flight keep theirs."""
        self._endpoints = endpoints
        self._type_bound.divide([endpoint.source for endpoint in endpoints.values()])
        self._by_plain_path = {}
        for path, endpoint in endpoints.items():
            self._by_plain_path.setdefault(paths.plain(path), endpoint)
        for endpoint in endpoints.values():
            for code in STATUSES:
                self._sum(endpoint.source, code)
            for reason in UNTYPED_REASONS:
                metrics.UNTYPED_EVENTS.labels(endpoint.source, reason)

    def close(self) -> None:
        """Stop reading bodies, since aiohttp drops bytes from here on. Bodies that arrived whole are still stored."""
        self._bodies.close()

    def count(self, source: str, code: str) -> None:
        """Count a response, or the end of a connection that got none."""
        counter = self._sums.get((source, code)) or self._sum(source, code)
        counter.value += 1

    def _sum(self, source: str, code: str) -> FastCounter:
        """Created before the first response: Prometheus sees no increase in a series that starts above zero."""
        return self._sums.setdefault((source, code), metrics.REQUESTS.labels(source, str(STATUSES[code]), code))

    def _count_match(self, source: str, secret: int) -> None:
        counter = self._matches.get((source, secret))
        if counter is None:
            counter = self._matches[source, secret] = metrics.SECRET_MATCHES.labels(source, str(secret))
        counter.value += 1

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        began = time.perf_counter()
        endpoint = self._endpoints.get(request.path)
        is_detour = endpoint is None
        if is_detour:
            endpoint = self._by_plain_path.get(paths.plain(request.path))
        source = endpoint.source if endpoint else ""
        try:
            stored = await self._accept(request, endpoint)
        except Refusal as refusal:
            self.count(source, refusal.code)
            response = self._refused(request, refusal, source)
            if self.is_leaving:
                response.force_close()
            return response
        if is_detour:
            self._log_detour(request, source)
        self.count(source, stored.code)
        metrics.ACK_SECONDS.observe(time.perf_counter() - began)
        return stored.response.to(request, time.time(), not self.is_leaving)

    def _log_detour(self, request: web.BaseRequest, source: str) -> None:
        """Log once for each path that its requests are served although no source has exactly this path."""
        path = request.path
        if path not in self._detours and len(self._detours) < MAX_DETOURS:
            self._detours.add(path)
            self._log.warning("path_mismatch", source=source, path=path, peer=request.remote)
            self._record(rejection(request, Refusal(200, "accepted"), source, time.time(), 0))

    async def _accept(self, request: web.BaseRequest, endpoint: Endpoint | None) -> Stored:
        """Store the event of a request. Raises Refusal."""
        if endpoint is None:
            raise Refusal(404, "unknown_endpoint")
        self._check_head(request)
        body = await self._bodies.read(request)
        if "Content-Encoding" in request.headers and _is_compressed(request, body):
            raise Refusal(415, "unsupported_encoding")
        webhook_id = self._verified(request, endpoint, body)
        traceparent = request.headers.get("traceparent", "")
        if traceparent and _TRACEPARENT.fullmatch(traceparent) is None:
            traceparent = ""
        at_ms = clock.now_ms()  # Redis' clock: workers compute the event's age by it
        own_type, delay_ms = endpoint.types.head(body, at_ms)
        answers = self._stored
        event_type = endpoint.types.known.get(own_type)
        if event_type is None:
            event_type = await self._first(own_type, endpoint, len(body))
            answers = stored_answers(event_type) if event_type == endpoint.types.untyped else answers
        event = Received(event_type, webhook_id, endpoint.source, at_ms, body, traceparent, delay_ms)
        return answers[await (self._store(event) if self._sent is None else self._sent(event, self._store))]

    async def _store(self, event: Received) -> bool:
        queue = self._queues[keys.shard_of(event.webhook_id, len(self._queues))]
        self._bodies.wait(len(event.body))
        try:
            is_new = await queue.store(event)
        except RefusedError as error:
            raise unavailable(error.code) from error
        finally:
            self._bodies.leave(len(event.body))
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

    def _verified(self, request: web.BaseRequest, endpoint: Endpoint, body: bytes) -> str:
        """The webhook-id of a request whose signature is valid. Raises Refusal."""
        headers, verifier = request.headers, endpoint.verifier
        try:
            self._count_match(endpoint.source, verifier.verify(headers, body, time.time()))
        except SignatureError as error:
            status = UNAUTHORIZED if error.code == "signature_mismatch" else 400
            raise Refusal(status, error.code) from error
        prove(request)
        return headers[verifier.names.id]

    async def _first(self, own_type: str, endpoint: Endpoint, size_bytes: int) -> str:
        """The name in storage of a type that is new here. Raises Refusal when the source may not send it."""
        types = endpoint.types
        try:
            name = types.name_of(own_type)
            if name.startswith(keys.RESERVED):
                await self._admit_run(name, size_bytes)
                return name
        except NotAllowedError as error:
            raise Refusal(403, "type_not_allowed") from error
        if name == types.untyped:
            metrics.UNTYPED_EVENTS.labels(endpoint.source, "no_type").inc()
        elif not self._type_bound.admits(name, endpoint.source):
            metrics.UNTYPED_EVENTS.labels(endpoint.source, "too_many_types").inc()
            return types.untyped
        else:
            types.known[own_type] = name
        return name

    async def _admit_run(self, name: str, size_bytes: int) -> None:
        """Each run of `verify` has a type of its own. Its body counts towards those that wait for Redis."""
        self._bodies.wait(size_bytes)
        try:
            await self._verify_runs.admit(name)
        except RefusedError as error:
            raise unavailable(error.code) from error
        finally:
            self._bodies.leave(size_bytes)

    def _refused(self, request: web.BaseRequest, refusal: Refusal, source: str) -> web.Response:
        suppressed = self._throttle.suppressed(refusal.code)
        if suppressed is not None:
            # Every client can cause a refusal: warn only of those that a source's own sender would get.
            level = self._log.warning if source and refusal.status != 405 else self._log.debug
            more = {"suppressed": suppressed} if suppressed else {}
            reason = str(refusal.__cause__ or "")
            level("refused", code=refusal.code, source=source, peer=request.remote, reason=reason, **more)
            self._record(rejection(request, refusal, source, time.time(), suppressed))
        response = answer(refusal.status, msgspec.json.encode({"error": refusal.code}), refusal.headers)
        if refusal.close:
            response.force_close()
        return response


def _sent_in_span() -> Callable[[Received, Callable[[Received], Awaitable[bool]]], Awaitable[bool]] | None:
    """Stores an event within a span; None in a process without a provider of spans, which imports nothing for them."""
    tracer = spans.tracer()
    if tracer is None:
        return None
    from .send_span import sent

    return partial(sent, tracer)


def _is_compressed(request: web.BaseRequest, body: bytes) -> bool:
    """Whether the body is compressed, and not merely declared to be: then it is no UTF-8."""
    codings = ",".join(request.headers.getall("Content-Encoding")).lower()
    if COMPRESSIONS.isdisjoint(coding.strip() for coding in codings.split(",")):
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    return False
