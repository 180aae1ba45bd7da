"""Ingest and a worker as processes over a Valkey of their own, for a test of the whole path."""

import base64
import os
import secrets
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.error import HTTPError

from ...shared.patterns import matches
from ...shared.posting import POST_TIMEOUT_S, signed_request
from ...shared.raw_sources import SECRET_VARIABLE
from ...shared.valkey import Valkey
from .body import body_of
from .program import Program

KEY_BYTES: Final = 32
"""Of a secret: as long as the digest that it keys."""
WAIT_S: Final = 30.0
"""Longest wait for a start, or for a delivery whose handler takes no time (a guess: for a busy machine)."""


class Stack:
    """`with Stack("myservice.handlers:billing") as stack:` runs a worker for these apps, as `hookbus-worker run` does.

    The processes get the environment and the import path of the test, and `environ`, but no setting of hookbus from
    outside, neither by variables nor by a `hookbus.toml`: `environ` may name one (`HOOKBUS_CONFIG`). `cwd` is their
    working directory (default: the test's). Needs the extra `embedded`, or a `valkey-server` or
    `redis-server` on the PATH.
    """

    def __init__(self, *targets: str, cwd: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        if not targets or not all(isinstance(target, str) for target in targets):
            raise ValueError(f"Stack{targets!r}: targets are needed, as in Stack('myservice.handlers:billing')")
        self._targets = targets
        self._cwd = cwd or Path.cwd()
        self._environ = dict(environ or {})
        self._ends = ExitStack()
        self._key = secrets.token_bytes(KEY_BYTES)
        self.redis_url = ""
        """Of the Valkey."""
        self.url = ""
        """Of ingest: where a sender posts."""

    def __enter__(self) -> Self:
        with ExitStack() as ends:
            folder = ends.enter_context(tempfile.TemporaryDirectory(prefix="hookbus-"))
            self._config = Path(folder, "hookbus.toml")
            self._config.touch()
            valkey = Valkey(Path(folder, "data"))
            ends.callback(valkey.close)
            self.redis_url = valkey.start().url
            self.worker = self._start(ends, "worker", ["run", *self._targets])
            self.ingest = self._start(ends, "ingest", ["serve"])
            self.url = self.ingest.wait_for("listening", timeout_s=WAIT_S)["urls"][0]
            self.ingest.wait_for("redis_healthy", timeout_s=WAIT_S)
            self.worker.wait_for("working", timeout_s=WAIT_S)
            self._ends = ends.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()
        if error is not None:
            error.add_note(self.worker.tail())

    def deliver(self, event_type: str, event: object = None, *, webhook_id: str = "") -> dict[str, Any]:
        """Post a signed event, and wait until it is handled or a dead letter: the worker's line of log about it.

        `event` as for `Bus.deliver`. Raises AssertionError if ingest refuses it, or nothing of that happens.
        """
        self._check_entered()
        groups = self.worker.wait_for("working", timeout_s=WAIT_S)["groups"]
        if not any(matches(pattern, event_type) for patterns in groups.values() for pattern in patterns):
            raise AssertionError(f"no handler of {', '.join(groups)} subscribes to {event_type!r}")
        webhook_id = self.send(event_type, event, webhook_id=webhook_id)
        return self.wait_for("handled", "dead_letter", webhook_id=webhook_id)

    def send(self, event_type: str, event: object = None, *, webhook_id: str = "") -> str:
        """Post a signed event as OpenAI does; its webhook-id. Raises AssertionError unless it is stored."""
        self._check_entered()
        signed = signed_request(self._key, body_of(event_type, event), webhook_id)
        request = urllib.request.Request(self.url, signed.body, signed.headers)  # noqa: S310 - our own ingest
        try:
            with urllib.request.urlopen(request, timeout=POST_TIMEOUT_S):  # noqa: S310
                return signed.webhook_id
        except HTTPError as error:
            raise AssertionError(f"ingest answered {error.code}: {error.read().decode(errors='replace')}") from None

    def wait_for(self, *events: str, timeout_s: float = WAIT_S, **fields: Any) -> dict[str, Any]:
        """Wait until the worker logs one of some events, with these fields; the line. Raises AssertionError."""
        self._check_entered()
        return self.worker.wait_for(*events, timeout_s=timeout_s, **fields)

    def _check_entered(self) -> None:
        if not self.url:
            raise RuntimeError("use it inside `with Stack(...)`")

    def _start(self, ends: ExitStack, name: str, arguments: list[str]) -> Program:
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("HOOKBUS_", "PYTHON"))}
        own = {
            "HOOKBUS_CONFIG": str(self._config),
            "HOOKBUS_REDIS_URL": self.redis_url,
            "HOOKBUS_LOG_LEVEL": "debug",  # a line for each handled delivery
            "HOOKBUS_INGEST_LISTEN": "127.0.0.1:0",
            "HOOKBUS_INGEST_DRAIN_DELAY_S": "0",  # no load balancer has to notice
            "HOOKBUS_WORKER_OPS_LISTEN": "127.0.0.1:0",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONUNBUFFERED": "1",
            SECRET_VARIABLE: f"whsec_{base64.b64encode(self._key).decode()}",
        }
        program = Program(name, arguments, outside | own | self._environ, self._cwd)
        ends.callback(program.stop)
        return program
