"""Bodies decoded as ingest and a worker do it: the type is read first, then the event of that type."""

from hookbus.events import Event
from hookbus.shared.decoding import DECODERS, read_head
from hookbus.shared.drift import unknown_decoder


def read_type(body: bytes) -> str:
    """The type of a body of OpenAI's."""
    return read_head(body).type


def decode(body: bytes) -> Event:
    """The event that a handler of type `Event` gets."""
    event_type = read_type(body)
    decoder = DECODERS.get(event_type) or unknown_decoder(event_type)
    return decoder(body)
