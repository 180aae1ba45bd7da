"""The fields by which log lines name a delivery."""

from ..api.delivery import Delivery


def named(delivery: Delivery) -> dict[str, str | int]:
    """The fields of a log line about a delivery, whoever logs it."""
    return {
        "webhook_id": delivery.webhook_id,
        "type": delivery.type,
        "source": delivery.source,
        "group": delivery.group,
        "attempt": delivery.attempt,
    }
