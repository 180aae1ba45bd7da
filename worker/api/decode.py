"""Decodes a body into the type that a handler's first parameter is annotated with.

That can be an event struct, the `Event` union or a part of it, `UnknownEvent`, a class of the user's own (`own_class`),
a union of those that say their types, `dict` or `bytes`. Anything else is refused at start, and so is a class or a
union on a pattern that matches other types too.
"""

import typing
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import msgspec

from ...shared import decoding, lenient
from ...shared.drift import unknown_decoder
from ...shared.events import BY_TYPE, UnknownEvent
from ...shared.undecodable import UNDECODABLE
from .annotation import TAGS, ImpossibleError, classes_of, name_of_annotation, types_of
from .own_class import Decoder, own_decoder


def decoder_for(annotation: Any, event_type: str) -> Decoder:
    """The function that decodes a body of `event_type` into `annotation`. Raises ImpossibleError.

    The function itself raises one of `UNDECODABLE` on a body of another shape.
    """
    classes = classes_of(annotation)
    if len(classes) != 1:
        return _of_union(annotation, classes, event_type)
    [cls] = classes
    if cls is bytes:
        return bytes
    if _is_dict(cls):
        return _lenient(cls)
    if cls is UnknownEvent:
        return unknown_decoder(event_type)
    # A class of the user's own may name its type in the sender's words, to which ingest adds the prefix of the source:
    # so that counts for documented events alone.
    if event_type not in (covered := types_of(cls)) and covered and (cls in TAGS or event_type in BY_TYPE):
        raise _not_covered(annotation, classes, event_type)
    return _of_class(cls, event_type)


def _is_dict(cls: Any) -> bool:
    return (typing.get_origin(cls) or cls) in (dict, Mapping, MutableMapping)


def _of_class(cls: Any, event_type: str) -> Decoder:
    return decoding.DECODERS[TAGS[cls]] if cls in TAGS else own_decoder(cls, event_type)


def _of_union(annotation: Any, classes: Sequence[Any], event_type: str) -> Decoder:
    """The decoder of the one class that covers a type, or else of `UnknownEvent`. Raises ImpossibleError."""
    members = [cls for cls in classes if cls is not UnknownEvent]
    for cls in members:
        _check_member(cls, event_type)
    found = _covering(members, event_type)
    if len(found) > 1:
        names = " and ".join(name_of_annotation(cls) for cls in found)
        raise ImpossibleError(f"{names} both cover {event_type}")
    if found:
        return _of_class(found[0], event_type)
    if UnknownEvent not in classes:
        raise _not_covered(annotation, classes, event_type)
    return unknown_decoder(event_type)


def _check_member(cls: Any, event_type: str) -> None:
    name = name_of_annotation(cls)
    if cls is bytes or _is_dict(cls):
        raise ImpossibleError(f"{name} must stand alone, not in a union")
    if not types_of(cls):
        own_decoder(cls, event_type)  # it may know a better reason
        raise ImpossibleError(f'a union of events can\'t hold {name}, which has no type: Literal["…"] to be chosen by')


def _covering(classes: Sequence[Any], event_type: str) -> list[Any]:
    """The classes that cover a type. One from another sender has the prefix of its source here, and not in the body."""
    exact = [cls for cls in classes if event_type in types_of(cls)]
    if exact or event_type in BY_TYPE:
        return exact
    own = (cls for cls in classes if cls not in TAGS)
    return [cls for cls in own if any(event_type.endswith(f".{name}") for name in types_of(cls))]


def _not_covered(annotation: Any, classes: Sequence[Any], event_type: str) -> ImpossibleError:
    covered = ", ".join(sorted({name for cls in classes for name in types_of(cls)}))
    hint = "; a union with UnknownEvent takes those too" if len(classes) > 1 else ""
    name = name_of_annotation(annotation)
    return ImpossibleError(f"{name} covers {covered}, but the pattern matches {event_type} too{hint}")


def _lenient(annotation: Any) -> Decoder:
    """A decoder into a dict, which also accepts JSON that msgspec refuses but other readers take."""
    try:
        strict = msgspec.json.Decoder(annotation).decode
    except Exception as error:  # noqa: BLE001 - msgspec evaluates the annotations of the user's fields here
        raise ImpossibleError(f"msgspec can't decode into {annotation}: {error}") from None

    def decode(body: bytes) -> Any:
        try:
            return strict(body)
        except UNDECODABLE:
            return msgspec.convert(lenient.document(body), annotation)

    return decode
