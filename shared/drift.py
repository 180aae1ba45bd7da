"""Events whose envelope differs from what is documented: hardly any handler looks at it, so no event dies of it.

`data` is what handlers work with, and stays strict: an event without the documented fields is undecodable.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from . import lenient
from .events import Envelope, UnknownEvent

EventClass = TypeVar("EventClass", bound=Envelope | UnknownEvent)

_ENVELOPE: Final = ("id", "object", "created_at")
_MAX_S: Final = 2**53
"""What lies beyond it, infinity and NaN too, is no time."""


def known(cls: type[EventClass]) -> Callable[[bytes], EventClass]:
    """The decoder of a documented class. What is odd in the envelope is left to its default; a fraction is cut off."""
    strict = msgspec.json.Decoder(cls).decode

    def decode(body: bytes) -> EventClass:
        try:
            return strict(body)
        except msgspec.ValidationError:
            return msgspec.convert(_mended(msgspec.json.decode(body)), cls)

    return decode


def unknown() -> Callable[[bytes], UnknownEvent]:
    """The decoder of `UnknownEvent`, which takes whatever any JSON reader takes, if it has a type."""
    strict = msgspec.json.Decoder(UnknownEvent).decode

    def decode(body: bytes) -> UnknownEvent:
        try:
            return strict(body)
        except (ValueError, RecursionError):
            return msgspec.convert(_mended(lenient.document(body)), UnknownEvent)

    return decode


def _mended(found: Any) -> Any:
    if not isinstance(found, dict):
        return found
    rest = {name: value for name, value in found.items() if name not in _ENVELOPE}
    texts = {name: found[name] for name in ("id", "object") if isinstance(found.get(name), str)}
    created_at: Any = found.get("created_at")
    is_number = type(created_at) in (int, float) and abs(created_at) < _MAX_S
    return rest | texts | ({"created_at": int(created_at)} if is_number else {})
