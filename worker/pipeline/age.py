"""The age of an event: since its `created_at` if the body has one, else since ingest received it.

An event that its sender could not deliver for ten minutes is ten minutes old, however soon it runs after that.
"""

from ...shared.decoding import delay_ms
from ..api.delivery import Delivery, fields_of


def made_at_ms(delivery: Delivery) -> int:
    """When the event was created, Unix ms."""
    received_ms = delivery.received_at_ms
    return received_ms - (delay_ms(fields_of(delivery.body).created_at, received_ms) or 0)
