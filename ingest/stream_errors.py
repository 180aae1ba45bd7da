"""Streams that take no events while others do: each is named, and counted by type."""

from ..shared import log
from ..shared.fault import Fault, fault_of
from ..shared.keys import Keys
from ..shared.metrics import DOCUMENTED, OTHER
from . import metrics

EFFECT = "its events are answered 503, others are stored"


class StreamErrors:
    """Those of one shard."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._log = log.get("ingest.enqueue")
        self._throttle = log.Throttle()

    def note(self, event_type: str, error: Exception, events: int = 1) -> Fault:
        """So many events were refused by the stream of their type; the fault that they are answered with."""
        metrics.STREAM_ERRORS.labels(event_type if event_type in DOCUMENTED else OTHER).inc(events)
        key, reason = self._keys.stream(event_type), fault_of(error).detail
        suppressed = self._throttle.suppressed("stream_failed")
        if suppressed is not None:
            more = {"suppressed": suppressed} if suppressed else {}
            self._log.warning("stream_failed", type=event_type, key=key, reason=reason, effect=EFFECT, **more)
        return Fault("queue_unavailable", f"{key}: {reason}")
