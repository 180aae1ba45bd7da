"""What is read from a worker's parts when Prometheus asks, so that deliveries pay nothing for it."""

from collections.abc import Iterable, Sequence

from .pipeline import metrics
from .pipeline.read import Reader
from .pipeline.subscriber import Subscriber


def expose(subscribers: Iterable[Subscriber], readers: Sequence[Reader]) -> None:
    """Have the metrics show these parts of this process."""
    runtimes: dict[tuple[str, str], list[Subscriber]] = {}
    for subscriber in subscribers:
        runtimes.setdefault((subscriber.route.group, subscriber.route.pattern), []).append(subscriber)
    for labels, runtime in runtimes.items():
        _expose_lane(labels, runtime)
    metrics.READ_AGE.set_function(lambda: max((reader.silent_s() for reader in readers), default=0.0))


def _expose_lane(labels: tuple[str, str], shards: Sequence[Subscriber]) -> None:
    metrics.RUNNING.labels(*labels).set_function(lambda: sum(shard.slots.running for shard in shards))
    metrics.OVERDUE.labels(*labels).set_function(lambda: sum(shard.overdue() for shard in shards))
