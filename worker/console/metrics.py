"""What the console tells Prometheus about itself: whether it sees the bus, and what it does. Names no group or type."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector

from ..inspect.bus_metrics import gauge
from .jobs import Jobs
from .looker import Looker

SHARED: Final = tuple(f"hookbus_loop_lag_seconds{end}" for end in ("_bucket", "_sum", "_count"))
"""Those of all programs that the console has, too."""


class ConsoleCollector(Collector):
    """The figures of one console."""

    def __init__(self, looker: Looker, jobs: Jobs) -> None:
        self._looker = looker
        self._jobs = jobs

    def describe(self) -> list[Metric]:
        """Empty: no other collector of the console's registry uses these names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """As of now: a scrape makes no look."""
        look = self._looker.last
        is_up = look is not None and not self._looker.problem
        yield gauge("console_redis_up", "1 when the last look at the bus succeeded.", (), [((), is_up)])
        about = "Age of the figures that the pages show; at rest there is a look a minute."
        yield gauge("console_look_age_seconds", about, (), [((), self._looker.age_s())])
        took = [((), look.took_s)] if look else []
        yield gauge("console_look_seconds", "Duration of the last look that succeeded.", (), took)
        yield gauge(
            "console_unasked", "Parts of it that Redis refused.", (), [((), len(look.beside.unasked))] if look else []
        )
        yield gauge("console_jobs", "Moves that run in this console.", (), [((), len(self._jobs.running))])


def registry(looker: Looker, jobs: Jobs) -> CollectorRegistry:
    """All figures of a console but the shared ones."""
    found = CollectorRegistry()
    ProcessCollector(registry=found)
    GCCollector(registry=found)
    found.register(ConsoleCollector(looker, jobs))
    return found


def page(own: CollectorRegistry) -> bytes:
    """The body of `/metrics`."""
    return generate_latest(own) + generate_latest(REGISTRY.restricted_registry(SHARED))
