"""Decodes events whose envelope differs from the documentation: few handlers read it, so it dead-letters no event.

`data`, which handlers do read, stays strict: an event without the documented fields is undecodable.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from . import lenient
from .events import Envelope, UnknownEvent

EventClass = TypeVar("EventClass", bound=Envelope | UnknownEvent)

_ENVELOPE: Final = ("id", "object", "created_at")
_MAX_S: Final = 2**53
"""A number beyond it, infinity and NaN included, is not a time."""


def documented_decoder(cls: type[EventClass]) -> Callable[[bytes], EventClass]:
    """The decoder of a documented class. Odd envelope fields get their defaults; a fraction of a second is cut off."""
    strict = msgspec.json.Decoder(cls).decode

    def decode(body: bytes) -> EventClass:
        try:
            return strict(body)
        except msgspec.ValidationError:
            return msgspec.convert(_normalized(msgspec.json.decode(body)), cls)

    return decode


def unknown_decoder() -> Callable[[bytes], UnknownEvent]:
    """The decoder of `UnknownEvent`, which accepts all that any JSON reader accepts, if it has a type."""
    strict = msgspec.json.Decoder(UnknownEvent).decode

    def decode(body: bytes) -> UnknownEvent:
        try:
            return strict(body)
        except (ValueError, RecursionError):
            return msgspec.convert(_normalized(lenient.document(body)), UnknownEvent)

    return decode


def _normalized(document: Any) -> Any:
    """The document without envelope fields of a wrong shape."""
    if not isinstance(document, dict):
        return document
    rest = {name: value for name, value in document.items() if name not in _ENVELOPE}
    texts = {name: document[name] for name in ("id", "object") if isinstance(document.get(name), str)}
    created_at: Any = document.get("created_at")
    is_number = type(created_at) in (int, float) and abs(created_at) < _MAX_S
    return rest | texts | ({"created_at": int(created_at)} if is_number else {})
