"""How old an event is: since its sender made it, where the event says so, else since ingest received it.

An event that its sender could not deliver for ten minutes is ten minutes old, however soon it runs after that.
"""

from ...shared import decoding
from ..api.delivery import Delivery


def made_at_ms(delivery: Delivery) -> int:
    """When the event was made, Unix ms."""
    received_ms = delivery.received_at_ms
    try:
        delay_ms = decoding.read_head(delivery.body).delay_ms(received_ms)
    except decoding.UNDECODABLE:
        delay_ms = None
    return received_ms - (delay_ms or 0)
