"""From bytes to an event: one call, which never picks a wrong class.

Never rejects an event for being newer than this release: unknown fields are ignored, an unknown type becomes
`UnknownEvent`.
"""

from typing import Any, Final

import msgspec

from . import drift, lenient
from .events import BY_TYPE, Event

LATEST_MS: Final = 8 * 86_400_000
"""By how much a sender may be late. OpenAI retries for three days; what lies further back is another time."""


class Head(msgspec.Struct, frozen=True, gc=False):
    """What a body says of itself; `created_at` is in Unix seconds where it is a number."""

    type: str
    created_at: Any = None

    def delay_ms(self, received_at_ms: int) -> int | None:
        """How long the event was on its way to ingest, None where `created_at` can't be that of this event.

        Whole seconds count from their end, so that nothing looks older than it is for a rounding.
        """
        made_s = self.created_at
        if type(made_s) is int:
            delay_ms = received_at_ms - made_s * 1000
            return (delay_ms - 999 if delay_ms > 999 else 0) if 0 <= delay_ms <= LATEST_MS else None
        if type(made_s) is float and 0 <= received_at_ms - made_s * 1000 <= LATEST_MS:
            return received_at_ms - int(made_s * 1000)
        return None


_read_head = msgspec.json.Decoder(Head).decode
DECODERS: Final = {name: drift.known(cls) for name, cls in BY_TYPE.items()}
decode_unknown: Final = drift.unknown()


UNDECODABLE: Final = (ValueError, RecursionError)
"""What hostile bytes make a decoder raise: msgspec's errors and UnicodeDecodeError are ValueErrors."""


def read_head(body: bytes) -> Head:
    """The `type` of a body, and when it was made. Raises one of `UNDECODABLE` when it has no such type for any reader.

    A body that only other JSON readers take still has its type: so it meets its own subscribers.
    """
    try:
        return _read_head(body)
    except UNDECODABLE:
        found = lenient.top_level(body)
        return msgspec.convert({name: found[name] for name in ("type", "created_at") if name in found}, Head)


def read_type(body: bytes) -> str:
    """The `type` of a body. Raises one of `UNDECODABLE`."""
    return read_head(body).type


def decode(body: bytes) -> Event:
    """Decode a body into the class of its own `type`; `UnknownEvent` for a type without one.

    Raises one of `UNDECODABLE`: not JSON, no type, or a documented field of another shape. A known type never
    falls back to `UnknownEvent`: a handler that expects its fields must not find them missing.
    """
    return DECODERS.get(read_type(body), decode_unknown)(body)
