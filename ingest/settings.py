"""The settings of hookbus-ingest, and the checks of their combinations."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from ..shared import paths, public_key
from ..shared.listen import Listen
from ..shared.raw_sources import complete
from ..shared.settings import Count, Option, Positive, load
from ..shared.sources import Endpoints

OPENAI_RETRIES_H: Final = 72
"""OpenAI retries a delivery for up to 72 h: https://platform.openai.com/docs/guides/webhooks."""

DEFAULT_OPS_LISTEN: Final = Listen("127.0.0.1", 9464, "ingest.ops_listen")


class IngestSettings(Endpoints, frozen=True, kw_only=True):
    """Times in seconds, sizes in bytes."""

    ops_listen: Listen = DEFAULT_OPS_LISTEN
    """Serves `/healthz`, `/readyz` and `/metrics`. When the key is not set and the port is in use, a free one is used
    and logged."""
    durability: Literal["memory", "fsync"] = "fsync"
    """What a 200 means: on disk (`fsync`), or in Redis' memory (`memory`)."""
    unsafe_redis: bool = False
    """Development only: answer 200 although Redis can't keep the promise."""
    tolerance_s: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 300
    """Maximum age of a signature, and maximum time in the future."""
    dedupe_window_h: Count = 96
    """How long webhook-ids are remembered. At least 72, because OpenAI retries that long."""
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024
    """Larger bodies are answered 413 `body_too_large`."""
    max_inflight_bytes: Annotated[int, msgspec.Meta(ge=2048)] = 64 * 1024 * 1024
    """Bodies in memory: half for arriving ones, half for those that wait for Redis. Beyond, 503 `overloaded`. At least
    twice `max_body_bytes`."""
    max_connections: Count = 10_000
    """Beyond, the oldest connection without a verified request is answered 503 `overloaded`. The soft limit of open
    files is raised as needed."""
    header_timeout_s: Positive = 10.0
    """From the opening of a connection, or the first byte of a later request, to the end of the request's head. Slower
    requests are answered 408 `header_timeout`; a connection that sends nothing is closed."""
    body_timeout_s: Positive = 10.0
    """From the end of the head to the end of the body. Slower requests are answered 408 `body_timeout`."""
    keepalive_s: Positive = 75.0
    """How long an idle connection stays open. Must exceed the keep-alive of a load balancer in front (Google's: 600, so
    set 620)."""
    health_path: str = ""
    """A path on the webhook port, such as `/health`, that answers GET and HEAD as `/readyz` does, for load balancers
    that can't reach `ops_listen`. Empty: off. Probes do not count as requests of a source."""
    enqueue_timeout_s: Positive = 5.0
    """Maximum wait for Redis before a request is answered 503 `queue_unavailable`."""
    max_waiting: Count = 10_000
    """Maximum number of events that wait for Redis. Beyond, 503 `overloaded`."""
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 256
    """Maximum number of events in one group commit."""
    drain_delay_s: Annotated[float, msgspec.Meta(ge=0)] = 5.0
    """How long requests are still served after SIGTERM, while load balancers notice. Not after Ctrl-C."""

    @property
    def dedupe_days(self) -> int:
        """Day sets that cover the dedupe window at any time of the day."""
        return math.ceil(self.dedupe_window_h / 24) + 1

    def secrets(self) -> list[str]:
        return [*super().secrets(), *(secret for source in self.sources.values() for secret in source.secrets)]

    def problems(self) -> list[str]:
        problems = super().problems()
        if self.dedupe_window_h < OPENAI_RETRIES_H:
            problems.append(
                f"ingest.dedupe_window_h: {self.dedupe_window_h} is below {OPENAI_RETRIES_H}:"
                f" OpenAI retries that long, and a late retry would be stored as a new event"
            )
        if self.max_inflight_bytes < 2 * self.max_body_bytes:
            problems.append(
                f"ingest.max_inflight_bytes: {self.max_inflight_bytes} is below twice ingest.max_body_bytes"
                f" ({self.max_body_bytes}): one half of it must hold a body"
            )
        return problems + self._unsupported() + self._health_problems()

    def _unsupported(self) -> list[str]:
        names = [name for name, source in self.sources.items() if source.public_keys]
        if not names or public_key.is_supported():
            return []
        return [f"ingest.sources.{name}.public_keys: {public_key.EXTRA}" for name in names]

    def _health_problems(self) -> list[str]:
        if not self.health_path:
            return []
        if problem := paths.problem(self.health_path):
            return [f"ingest.health_path: {problem}"]
        plain = paths.plain(self.health_path)
        names = [name for name, source in self.sources.items() if paths.plain(source.path) == plain]
        return [f"ingest.health_path: {self.health_path} is the path of ingest.sources.{name}" for name in names]


def load_settings(
    file: Path | None, environ: Mapping[str, str] = os.environ, overrides: Mapping[str, Option] | None = None
) -> IngestSettings:
    """The settings of hookbus-ingest. Raises ConfigError with every problem found."""
    return load(IngestSettings, "ingest", file, environ, overrides, lambda raw: complete(raw, environ))
