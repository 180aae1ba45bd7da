"""Decodes a body into the type that a handler's first parameter is annotated with.

That can be an event struct, the `Event` union or a part of it, `UnknownEvent`, a `msgspec.Struct` of the user's own,
`dict` or `bytes`. Anything else is refused at start, and so is a struct on a pattern that matches other types too.
"""

import types
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from ...shared import decoding, lenient
from ...shared.drift import unknown_decoder
from ...shared.events import BY_TYPE, Envelope, Event, KnownEvent, UnknownEvent

Decoder = Callable[[bytes], Any]

_TAGS = {cls: name for name, cls in BY_TYPE.items()}


class ImpossibleError(Exception):
    """No body of an event type can be decoded into the annotation; the message is the reason."""


def decoder_for(annotation: Any, event_type: str) -> Decoder:
    """The function that decodes a body of `event_type` into `annotation`. Raises ImpossibleError.

    The function itself raises one of `decoding.UNDECODABLE` on a body of another shape.
    """
    if annotation is bytes:
        return bytes
    if annotation is dict or typing.get_origin(annotation) is dict:
        return _lenient(annotation)
    classes = _members(annotation)
    for cls in classes:
        if cls in (bytes, dict) or typing.get_origin(cls) is dict:
            raise ImpossibleError(f"{_name(cls)} must stand alone, not in a union")
        if cls is Envelope or not (isinstance(cls, type) and issubclass(cls, msgspec.Struct)):
            raise ImpossibleError(
                f"can't decode an event into {_name(cls)}: annotate with an event struct, Event, UnknownEvent,"
                f" a msgspec.Struct, dict or bytes"
            )
    if classes == (UnknownEvent,):
        return unknown_decoder(event_type)
    if len(classes) == 1 and classes[0] not in _TAGS:
        return _json(classes[0])
    foreign = [cls for cls in classes if cls not in _TAGS and cls is not UnknownEvent]
    if foreign:
        raise ImpossibleError(f"a union of events can't hold {_name(foreign[0])}")
    if BY_TYPE.get(event_type) in classes:
        return decoding.DECODERS[event_type]
    if UnknownEvent in classes:
        return unknown_decoder(event_type)
    decodable = ", ".join(sorted(_TAGS[cls] for cls in classes))
    raise ImpossibleError(f"{_name(annotation)} covers {decodable}, but the pattern matches {event_type} too")


def _json(annotation: Any) -> Decoder:
    try:
        return msgspec.json.Decoder(annotation).decode
    except Exception as error:  # noqa: BLE001 - msgspec evaluates the annotations of the user's fields here
        raise ImpossibleError(f"msgspec can't decode into {_name(annotation)}: {error}") from None


def _lenient(annotation: Any) -> Decoder:
    """A decoder into a dict, which also accepts JSON that msgspec refuses but other readers take."""
    strict = _json(annotation)

    def decode(body: bytes) -> Any:
        try:
            return strict(body)
        except decoding.UNDECODABLE:
            return msgspec.convert(lenient.document(body), annotation)

    return decode


def _members(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _name(annotation: Any) -> str:
    if annotation in (Event, KnownEvent):
        return "Event"
    return getattr(annotation, "__name__", None) or str(annotation)
