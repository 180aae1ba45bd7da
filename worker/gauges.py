"""Gauges whose values are read from the worker at each scrape, so that they cost deliveries nothing."""

from collections.abc import Iterable, Sequence

from .pipeline import metrics
from .pipeline.read import Reader
from .pipeline.subscriber import Subscriber


def expose(subscribers: Iterable[Subscriber], readers: Sequence[Reader]) -> None:
    """Connect the gauges to the subscribers and readers of this process."""
    for subscriber in subscribers:
        _expose_subscription(subscriber)
    metrics.READ_AGE.set_function(lambda: max((reader.silent_s() for reader in readers), default=0.0))


def _expose_subscription(subscriber: Subscriber) -> None:
    labels = subscriber.route.group, subscriber.route.pattern
    metrics.RUNNING.labels(*labels).set_function(lambda: subscriber.slots.running)
    metrics.OVERDUE.labels(*labels).set_function(subscriber.overdue)
