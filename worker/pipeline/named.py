"""The fields by which log lines name a delivery."""

from ..api.delivery import Delivery


def named(delivery: Delivery) -> dict[str, str | int]:
    """The fields of a log line about a delivery, whoever logs it; `trace_id` only if its request had a trace."""
    fields: dict[str, str | int] = {
        "webhook_id": delivery.webhook_id,
        "type": delivery.type,
        "source": delivery.source,
        "group": delivery.group,
        "attempt": delivery.attempt,
    }
    if delivery.traceparent:  # 00-<trace>-<span>-<flags>
        fields["trace_id"] = delivery.traceparent[3:35]
    return fields
