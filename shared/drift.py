"""Decodes events whose envelope differs from the documentation: few handlers read it, so it dead-letters no event.

`data`, which handlers do read, stays strict: an event without the documented fields is undecodable.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from . import lenient
from .events import Envelope, UnknownEvent

EventClass = TypeVar("EventClass", bound=Envelope)

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


class _Loose(msgspec.Struct):
    """The fields of an unknown event, each in any shape."""

    id: Any = None
    created_at: Any = None
    object: Any = None
    data: Any = None


def unknown_decoder(event_type: str) -> Callable[[bytes], UnknownEvent]:
    """The decoder of `UnknownEvent` for a type: it accepts any JSON object that some reader accepts.

    The body's own `type` does not count: another sender than OpenAI may write anything there.
    """
    strict = msgspec.json.Decoder(_Loose).decode

    def decode(body: bytes) -> UnknownEvent:
        try:
            fields = strict(body)
        except (ValueError, RecursionError):
            fields = msgspec.convert(lenient.document(body), _Loose)
        return UnknownEvent(event_type, data=fields.data, **_envelope(fields.id, fields.object, fields.created_at))

    return decode


def _normalized(document: Any) -> Any:
    """The document without envelope fields of a wrong shape."""
    if not isinstance(document, dict):
        return document
    rest = {name: value for name, value in document.items() if name not in _ENVELOPE}
    return rest | _envelope(*(document.get(name) for name in _ENVELOPE))


def _envelope(event_id: Any, kind: Any, created_at: Any) -> dict[str, Any]:
    """The envelope fields that have the documented shape; a fraction of a second is cut off."""
    fields: dict[str, Any] = {}
    if isinstance(event_id, str):
        fields["id"] = event_id
    if isinstance(kind, str):
        fields["object"] = kind
    if type(created_at) in (int, float) and abs(created_at) < _MAX_S:
        fields["created_at"] = int(created_at)
    return fields
