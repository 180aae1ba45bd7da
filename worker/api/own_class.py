"""Decodes a body into a class of the user's own.

    msgspec.Struct, dataclass, TypedDict, attrs     by msgspec; fields of theirs may be pydantic models
    pydantic models and dataclasses                 by pydantic (`model`)

Each ignores fields that it does not have. A class that no JSON object fits is refused at start, and so is one with a
field of a class that nobody can fill: else every event would be undecodable.
"""

import typing
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ...shared.events import Envelope
from . import model
from .annotation import ImpossibleError, name_of_annotation
from .delivery import Delivery

Decoder = Callable[[bytes], Any]


def own_decoder(cls: Any, event_type: str) -> Decoder:
    """The decoder of a class of the user's own. Raises ImpossibleError."""
    if (typing.get_origin(cls) or cls) is Delivery:
        raise ImpossibleError("its first parameter is the event, and the Delivery the second: write (event, delivery)")
    if model.is_model(cls):
        return model.decoder(cls, event_type)
    try:
        info = msgspec.inspect.type_info(cls)
        decode = msgspec.json.Decoder(cls, dec_hook=_fill).decode
    except Exception as error:  # noqa: BLE001 - msgspec evaluates the annotations of the user's fields here
        raise ImpossibleError(f"msgspec can't decode into {name_of_annotation(cls)}: {error}") from None
    if cls is Envelope or not _is_object(info):
        raise ImpossibleError(
            f"can't decode an event into {name_of_annotation(cls)}: annotate with an event struct, Event, UnknownEvent,"
            " a msgspec.Struct, dataclass, TypedDict or pydantic model, dict or bytes"
        )
    for field in _custom(info, set()):
        if field is not object and not model.is_model(field):
            name = name_of_annotation(field)
            raise ImpossibleError(f"can't decode JSON into {name}, of which {name_of_annotation(cls)} has a field")
    return decode


def _fill(cls: type, value: Any) -> Any:
    return value if cls is object else model.from_value(cls, value)


def _is_object(info: msgspec.inspect.Type) -> bool:
    """Whether a JSON object may fit."""
    if isinstance(info, msgspec.inspect.StructType):
        return not info.array_like
    return isinstance(info, msgspec.inspect.DataclassType | msgspec.inspect.TypedDictType)


def _custom(info: Any, seen: set[int]) -> Iterator[type]:
    """The classes of fields, of fields of fields and so on that msgspec does not know."""
    if id(info) in seen:
        return
    seen.add(id(info))
    if isinstance(info, msgspec.inspect.CustomType):
        yield info.cls
    parts = (
        info if isinstance(info, tuple) else (getattr(info, name) for name in getattr(info, "__struct_fields__", ()))
    )
    for part in parts:
        if isinstance(part, tuple | msgspec.inspect.Type | msgspec.inspect.Field):
            yield from _custom(part, seen)
