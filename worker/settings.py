"""What hookbus-worker is told, and which combinations are impossible."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from ..shared.settings import Common, Count, Listen, Positive, load

DEFAULT_OPS_LISTEN: Final = Listen("127.0.0.1", 9465)
DEFAULT_EXPORTER_LISTEN: Final = Listen("127.0.0.1", 9466)
DAY_S: Final = 86_400.0

NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class WorkerSettings(Common, frozen=True, kw_only=True):
    """Times in seconds."""

    ops_listen: Listen = DEFAULT_OPS_LISTEN
    """Serves `/healthz`, `/readyz` and `/metrics` of `hookbus-worker run`. When the key is not set and the port is
    taken, a free one is used and logged."""
    exporter_listen: Listen = DEFAULT_EXPORTER_LISTEN
    """The same for `hookbus-worker exporter`."""
    handler_timeout_s: Positive = 30.0
    """For subscriptions that name no `timeout`."""
    grace_period_s: Positive = 40.0
    """How long running deliveries may take to end after SIGTERM; the rest is handed over. Must exceed every timeout.
    Give the supervisor 15 s more: a stop takes them while Redis hangs."""
    retention_s: Positive = 3 * DAY_S
    """How long handled events stay (3 days), for replay and for groups that start from the past. Near Redis' memory
    limit they go first."""
    retention_events: Count = 1_000_000
    """Events of a type and shard beyond which handled ones go although young. A million thin events take 300 MB."""
    orphan_retention_s: Positive = 14 * DAY_S
    """How long events stay that no group reads, or not any more (14 days)."""

    dead_retention_s: NotNegative = 0.0
    """How long dead letters stay. 0: until they are redriven or discarded."""
    dead_retention_events: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Dead letters of a group and shard beyond which the oldest go. 0: no bound."""

    def problems(self) -> list[str]:
        found = super().problems()
        if self.grace_period_s <= self.handler_timeout_s:
            found.append(
                f"worker.grace_period_s: {self.grace_period_s:g} is not above worker.handler_timeout_s"
                f" ({self.handler_timeout_s:g}): each stop would interrupt handlers that may still run"
            )
        return found


def load_settings(
    file: Path | None, environ: Mapping[str, str] = os.environ, overrides: Mapping[str, Any] | None = None
) -> WorkerSettings:
    """The settings of hookbus-worker. Raises ConfigError with every problem found."""
    return load(WorkerSettings, "worker", file, environ, overrides)
