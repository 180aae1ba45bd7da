"""The age of an event: since its `created_at` if the body has one, else since ingest received it.

An event that its sender could not deliver for ten minutes is ten minutes old, however soon it runs after that.
"""

from ...shared import decoding
from ..api.delivery import Delivery


def made_at_ms(delivery: Delivery) -> int:
    """When the event was created, Unix ms."""
    received_ms = delivery.received_at_ms
    try:
        delay_ms = decoding.read_head(delivery.body).delay_ms(received_ms)
    except decoding.UNDECODABLE:
        delay_ms = None
    return received_ms - (delay_ms or 0)
