"""What hookbus-ingest is told, and which combinations are impossible."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from ingest.signature import Verifier
from shared import keys
from shared.secret import FILE, LEAST_KEY_BYTES, Scheme, Secret, key_bytes, read_file
from shared.settings import Common, ConfigError, Count, Listen, Positive, load

OPENAI_RETRIES_H: Final = 72
"""OpenAI retries a delivery for up to 72 h: https://platform.openai.com/docs/guides/webhooks."""

SECRET_VARIABLE: Final = "OPENAI_WEBHOOK_SECRET"  # noqa: S105 - the variable's name
"""Alone a complete configuration: source `openai` at `/webhooks/openai`. The OpenAI SDKs read it too."""

DEFAULT_LISTEN: Final = Listen("127.0.0.1", 8080)
DEFAULT_OPS_LISTEN: Final = Listen("127.0.0.1", 9464)


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sender: the path that it posts to and the secrets that it may sign with, several during a rotation."""

    path: str
    secrets: Annotated[tuple[Secret, ...], msgspec.Meta(min_length=1)]
    scheme: Scheme = "openai"

    def verifier(self, tolerance_s: int) -> Verifier:
        """The verifier of this source's deliveries."""
        return Verifier(self.secrets, scheme=self.scheme, tolerance=tolerance_s)


class IngestSettings(Common, frozen=True, kw_only=True):
    """Times in seconds, sizes in bytes."""

    listen: Listen = DEFAULT_LISTEN
    ops_listen: Listen = DEFAULT_OPS_LISTEN
    sources: dict[str, Source] = {}  # noqa: RUF012 - msgspec copies it
    durability: Literal["memory", "fsync"] = "fsync"
    unsafe_redis: bool = False
    """Development only: answer 200 although Redis can't keep the promise."""
    tolerance_s: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 300
    dedupe_window_h: Count = 96
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024
    max_inflight_bytes: Annotated[int, msgspec.Meta(ge=2048)] = 64 * 1024 * 1024
    """Of bodies: half for those on their way, half for those that wait for Redis. 503 `overloaded` beyond."""
    max_connections: Count = 10_000
    """Further ones are closed with 503 `overloaded`; each connection has one request in hand."""
    header_timeout_s: Positive = 10.0
    """From the opening of a connection, or the first byte of a later request, to the end of the request's head."""
    body_timeout_s: Positive = 10.0
    enqueue_timeout_s: Positive = 5.0
    """Longest wait for Redis before a request is answered 503."""
    max_waiting: Count = 10_000
    """Events waiting for Redis at once; beyond that requests are answered 503 `overloaded`."""
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 256
    drain_delay_s: Annotated[float, msgspec.Meta(ge=0)] = 5.0
    """How long requests are still served after SIGTERM, while load balancers look away."""

    @property
    def dedupe_days(self) -> int:
        """Day sets that cover the window on any moment of the day."""
        return math.ceil(self.dedupe_window_h / 24) + 1

    def problems(self) -> list[str]:
        found = super().problems()
        if self.dedupe_window_h < OPENAI_RETRIES_H:
            found.append(
                f"ingest.dedupe_window_h: {self.dedupe_window_h} is below {OPENAI_RETRIES_H}:"
                f" OpenAI retries that long, and an old retry would be taken for a new event"
            )
        if self.max_inflight_bytes < 2 * self.max_body_bytes:
            found.append(
                f"ingest.max_inflight_bytes: {self.max_inflight_bytes} is below twice ingest.max_body_bytes"
                f" ({self.max_body_bytes}): a half of it must hold a body"
            )
        paths: dict[str, str] = {}
        for name, source in self.sources.items():
            found += _source_problems(name, source)
            if source.path in paths:
                found.append(f"ingest.sources.{name}.path: {source.path} is taken by {paths[source.path]}")
            paths.setdefault(source.path, name)
        return found


def _source_problems(name: str, source: Source) -> list[str]:
    where = f"ingest.sources.{name}"
    found = []
    if not keys.is_name(name):
        found.append(f"{where}: a source name is 1 to 128 of A-Z a-z 0-9 _ . -")
    if not source.path.startswith("/") or not source.path.isascii() or set(source.path) & set(" ?#%"):
        found.append(f"{where}.path: must begin with '/' and hold no space, '?', '#' or '%'")
    for i, secret in enumerate(source.secrets):
        try:
            size = len(key_bytes(secret, source.scheme))
        except ValueError as error:
            found.append(f"{where}.secrets[{i}]: {error}")
        else:
            if size < LEAST_KEY_BYTES:
                found.append(f"{where}.secrets[{i}]: a key of {size} bytes; at least {LEAST_KEY_BYTES} are needed")
    return found


def load_settings(
    file: Path | None, environ: Mapping[str, str] = os.environ, overrides: Mapping[str, Any] | None = None
) -> IngestSettings:
    """The settings of hookbus-ingest. Raises ConfigError with every problem found."""

    def extend(raw: dict[str, Any]) -> None:
        if environ.get(SECRET_VARIABLE, "").strip():
            sources = raw.get("sources", {})
            openai = sources.get("openai", {}) if isinstance(sources, dict) else None
            if isinstance(openai, dict):  # anything else is reported by the conversion
                openai = {"path": "/webhooks/openai"} | openai | {"secrets": environ[SECRET_VARIABLE].split()}
                raw["sources"] = sources | {"openai": openai}
        _read_secret_files(raw)

    return load(IngestSettings, "ingest", file, environ, overrides, extend)


def _read_secret_files(raw: dict[str, Any]) -> None:
    """Replace each `file:PATH` among the secrets with the lines of that file."""
    sources = raw.get("sources")
    if not isinstance(sources, dict):
        return
    problems: list[str] = []
    raw["sources"] = {
        name: source | {"secrets": _secret_lines(name, source["secrets"], problems)}
        if isinstance(source, dict) and isinstance(source.get("secrets"), list)
        else source
        for name, source in sources.items()
    }
    if problems:
        raise ConfigError(problems)


def _secret_lines(name: str, secrets: list[Any], problems: list[str]) -> list[Any]:
    lines: list[Any] = []
    for i, secret in enumerate(secrets):
        if not isinstance(secret, str) or not secret.startswith(FILE):
            lines.append(secret)
            continue
        try:
            lines += read_file(secret)
        except ValueError as error:
            problems.append(f"ingest.sources.{name}.secrets[{i}]: {error}")
            lines.append(secret)
    return lines
