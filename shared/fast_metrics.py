"""Counters and histograms for the hot path: plain numbers, converted to Prometheus' form at each scrape.

prometheus-client takes a lock for each count; these cost a fifth of it, and a request or a delivery needs several. For
one thread only, that of the event loop, which serves `/metrics` too. prometheus-client itself counts rare events.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector


class FastCounter:
    """A number that only grows: add to `value`."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0


class FastHistogram:
    """A distribution of values over buckets; `bounds` ascend, and each is the inclusive upper end of its bucket."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Add a value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class CounterFamily(Collector):
    """A counter family, one `FastCounter` for each set of label values. `name` ends in `_total`."""

    def __init__(
        self, name: str, about: str, labels: Sequence[str] = (), registry: CollectorRegistry = REGISTRY
    ) -> None:
        self._name, self._about, self._labels = name, about, labels
        self._children: dict[tuple[str, ...], FastCounter] = {}
        registry.register(self)

    def labels(self, *values: str) -> FastCounter:
        """The counter of these label values; look it up once and keep it."""
        return self._children.setdefault(values, FastCounter())

    def values(self) -> list[tuple[tuple[str, ...], float]]:
        """All label values with their count."""
        return [(values, child.value) for values, child in self._children.items()]

    def describe(self) -> list[Metric]:
        """The family without samples, for the registry's check of names."""
        return [CounterMetricFamily(self._name, self._about, labels=self._labels)]

    def collect(self) -> Iterator[Metric]:
        """The samples, for Prometheus."""
        family = CounterMetricFamily(self._name, self._about, labels=self._labels)
        for values, child in self._children.items():
            family.add_metric(values, child.value)
        yield family


class HistogramFamily(Collector):
    """A histogram family, one `FastHistogram` for each set of label values."""

    def __init__(
        self,
        name: str,
        about: str,
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._name, self._about, self._labels, self._bounds = name, about, labels, tuple(buckets)
        self._names = [*(str(float(bound)) for bound in buckets), "+Inf"]
        self._children: dict[tuple[str, ...], FastHistogram] = {}
        registry.register(self)

    def labels(self, *values: str) -> FastHistogram:
        """The histogram of these label values; look it up once and keep it."""
        return self._children.setdefault(values, FastHistogram(self._bounds))

    def values(self) -> list[tuple[tuple[str, ...], list[int], float]]:
        """All label values with the count of each bucket, and the sum."""
        return [(values, child.counts, child.total) for values, child in self._children.items()]

    def describe(self) -> list[Metric]:
        """The family without samples, for the registry's check of names."""
        return [HistogramMetricFamily(self._name, self._about, labels=self._labels)]

    def collect(self) -> Iterator[Metric]:
        """The samples, for Prometheus, whose buckets are cumulative."""
        family = HistogramMetricFamily(self._name, self._about, labels=self._labels)
        for values, child in self._children.items():
            below, buckets = 0, []
            for name, count in zip(self._names, child.counts, strict=True):
                below += count
                buckets.append((name, below))
            family.add_metric(values, buckets, child.total)
        yield family
