"""Health on the webhook port, for load balancers that probe the port they send to.

Every client may probe, so a probe does not mark its connection as trusted, and it counts as no request of a source.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from ..shared.health import READY, ready_answer

METHODS: Final = frozenset(("GET", "HEAD"))


class Probes:
    """Answers GET and HEAD of `path`; every other request goes to `handle`."""

    def __init__(
        self,
        path: str,
        readiness: Callable[[], str],
        handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    ) -> None:
        self._path = path
        self._readiness = readiness
        self._handle = handle

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if request.path != self._path or request.method not in METHODS:
            return await self._handle(request)
        reason = self._readiness()
        response = ready_answer(reason)
        if reason != READY:
            response.force_close()  # the port may be about to close
        return response
