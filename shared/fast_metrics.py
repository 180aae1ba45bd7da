"""Counters and histograms for the hot path: plain numbers, put into Prometheus' form when somebody asks.

prometheus-client locks for each count; these cost a fifth of it, and a request or a delivery needs several. For one
thread only, the event loop's, in which `/metrics` is answered too. What is rare is counted by prometheus-client itself.
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
    """How values spread over buckets; `bounds` ascend, and each belongs to its bucket."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
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
        """The sum of these label values; look it up once and keep it."""
        return self._children.setdefault(values, FastCounter())

    def describe(self) -> list[Metric]:
        """What the registry may be asked before there is a sample."""
        return [CounterMetricFamily(self._name, self._about, labels=self._labels)]

    def collect(self) -> Iterator[Metric]:
        """For Prometheus."""
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
        """The spread of these label values; look it up once and keep it."""
        return self._children.setdefault(values, FastHistogram(self._bounds))

    def describe(self) -> list[Metric]:
        """What the registry may be asked before there is a sample."""
        return [HistogramMetricFamily(self._name, self._about, labels=self._labels)]

    def collect(self) -> Iterator[Metric]:
        """For Prometheus, whose buckets each hold all that is below them."""
        family = HistogramMetricFamily(self._name, self._about, labels=self._labels)
        for values, child in self._children.items():
            below, buckets = 0, []
            for name, count in zip(self._names, child.counts, strict=True):
                below += count
                buckets.append((name, below))
            family.add_metric(values, buckets, child.total)
        yield family
