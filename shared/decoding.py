"""From bytes to an event: one call, which never picks a wrong class.

Never rejects an event for being newer than this release: unknown fields are ignored, an unknown type becomes
`UnknownEvent`.
"""

from typing import Final

import msgspec

from shared.events import BY_TYPE, Event, UnknownEvent


class _Type(msgspec.Struct):
    type: str


_read_type = msgspec.json.Decoder(_Type).decode
_decoders = {name: msgspec.json.Decoder(cls).decode for name, cls in BY_TYPE.items()}
_decode_unknown = msgspec.json.Decoder(UnknownEvent).decode


UNDECODABLE: Final = (ValueError, RecursionError)
"""What hostile bytes make a decoder raise: msgspec's errors and UnicodeDecodeError are ValueErrors."""


def read_type(body: bytes) -> str:
    """The `type` of a body. Raises one of `UNDECODABLE` when it is not a JSON object with a string there."""
    return _read_type(body).type


def decode(body: bytes) -> Event:
    """Decode a body into the class of its own `type`; `UnknownEvent` for a type without one.

    Raises one of `UNDECODABLE`: not JSON, no type, or a documented field of another shape. A known type never
    falls back to `UnknownEvent`: a handler that expects its fields must not find them missing.
    """
    return _decoders.get(read_type(body), _decode_unknown)(body)
