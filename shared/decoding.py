"""Decodes a body into the event of its stored type, and never picks a wrong class.

Never rejects an event that is newer than this release: unknown fields are ignored, an unknown type becomes
`UnknownEvent`. A documented type never does: its handler expects the documented fields. The class follows from the
stored type alone, never from the body: only OpenAI's sources can store an event under a documented type.
"""

from typing import Any, Final

import msgspec

from . import drift, lenient
from .created_at import unix_s
from .events import BY_TYPE
from .undecodable import UNDECODABLE

LATEST_MS: Final = 8 * 86_400_000
"""Longest plausible delay of a sender. OpenAI retries for three days; an older `created_at` means something else."""


class Head(msgspec.Struct, frozen=True, gc=False):
    """The fields that ingest reads of a body."""

    type: str
    created_at: Any = None


def delay_ms(created_at: Any, received_at_ms: int) -> int | None:
    """Milliseconds from an event's `created_at` to its receipt by ingest, None if it is not plausible.

    A whole second counts from its end, so that rounding makes no event look older than it is.
    """
    created_s = unix_s(created_at) if isinstance(created_at, str) else created_at
    if type(created_s) is int:
        delay_ms = received_at_ms - created_s * 1000
        return (delay_ms - 999 if delay_ms > 999 else 0) if 0 <= delay_ms <= LATEST_MS else None
    if type(created_s) is float and 0 <= received_at_ms - created_s * 1000 <= LATEST_MS:
        return received_at_ms - int(created_s * 1000)
    return None


_read_head = msgspec.json.Decoder(Head).decode
DECODERS: Final = {name: drift.documented_decoder(cls) for name, cls in BY_TYPE.items()}
"""Documented type → the decoder into its class."""


def read_head(body: bytes) -> Head:
    """The `type` and `created_at` of a body. Raises one of `UNDECODABLE` if no JSON reader finds a type in it.

    A body that only laxer JSON readers accept keeps its type, so that it reaches the subscribers of that type.
    """
    try:
        return _read_head(body)
    except UNDECODABLE:
        fields = lenient.top_level(body)
        return msgspec.convert({name: fields[name] for name in ("type", "created_at") if name in fields}, Head)
