"""Responses other than 200: a status, and a stable code for senders and metrics. A code has one status."""

from collections.abc import Mapping
from typing import Final

RETRY_AFTER_S: Final = 1
"""Retry-After of a 503. Senders back off by themselves; this keeps well-behaved clients from waiting minutes."""

STATUSES: Final[Mapping[str, int]] = {
    **dict.fromkeys(("accepted", "duplicate"), 200),
    **dict.fromkeys(("missing_header", "malformed_header", "timestamp_stale", "timestamp_future"), 400),
    **dict.fromkeys(("malformed_request", "disconnected"), 400),
    "signature_mismatch": 401,
    "type_not_allowed": 403,
    "unknown_endpoint": 404,
    "method_not_allowed": 405,
    **dict.fromkeys(("body_timeout", "header_timeout"), 408),
    "body_too_large": 413,
    "unsupported_encoding": 415,
    "internal_error": 500,
    **dict.fromkeys(("queue_unavailable", "overloaded", "draining", "not_durable"), 503),
}
"""Code → status, for metrics, which get only the code."""
CODES: Final = tuple(sorted(code for code, status in STATUSES.items() if status != 200))
"""Of refusals only."""


class Refusal(Exception):  # noqa: N818 - a response, not an error of ours
    """A response other than 200; its body is `{"error": code}`. `close` ends the connection after it."""

    def __init__(
        self, status: int, code: str, *, close: bool = False, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.close = close
        self.headers = headers or {}


def unavailable(code: str, *, close: bool = False) -> Refusal:
    """503: the sender should retry."""
    return Refusal(503, code, close=close, headers={"Retry-After": str(RETRY_AFTER_S)})
