"""Gauges whose values are read from the worker at each scrape, so that they cost deliveries nothing."""

from collections.abc import Iterable, Sequence

from .pipeline import metrics
from .pipeline.read import Reader
from .pipeline.subscriber import Subscriber


def expose(subscribers: Iterable[Subscriber], readers: Sequence[Reader]) -> None:
    """Connect the gauges to the subscribers and readers of this process."""
    runtimes: dict[tuple[str, str], list[Subscriber]] = {}
    for subscriber in subscribers:
        runtimes.setdefault((subscriber.route.group, subscriber.route.pattern), []).append(subscriber)
    for labels, runtime in runtimes.items():
        _expose_subscription(labels, runtime)
    metrics.READ_AGE.set_function(lambda: max((reader.silent_s() for reader in readers), default=0.0))


def _expose_subscription(labels: tuple[str, str], shards: Sequence[Subscriber]) -> None:
    metrics.RUNNING.labels(*labels).set_function(lambda: sum(shard.slots.running for shard in shards))
    metrics.OVERDUE.labels(*labels).set_function(lambda: sum(shard.overdue() for shard in shards))
