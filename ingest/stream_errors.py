"""Reports streams that refuse events while others store them: the log names each, a metric counts by type."""

from ..shared import log
from ..shared.fault import Fault, fault_of
from ..shared.keys import Keys
from ..shared.metrics import DOCUMENTED, OTHER
from ..shared.throttle import Throttle
from . import metrics

EFFECT = "its events are answered 503, others are stored"


class StreamErrors:
    """The stream errors of one shard."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._log = log.get("ingest.enqueue")
        self._throttle = Throttle()

    def record(self, event_type: str, error: Exception, events: int = 1) -> Fault:
        """Count and log that a stream refused so many events of its type; return the fault to answer them with."""
        metrics.STREAM_ERRORS.labels(event_type if event_type in DOCUMENTED else OTHER).inc(events)
        key, reason = self._keys.stream(event_type), fault_of(error).detail
        suppressed = self._throttle.suppressed("stream_failed")
        if suppressed is not None:
            more = {"suppressed": suppressed} if suppressed else {}
            self._log.warning("stream_failed", type=event_type, key=key, reason=reason, effect=EFFECT, **more)
        return Fault("queue_unavailable", f"{key}: {reason}")
