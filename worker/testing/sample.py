"""OpenAI's own example of an event, as the struct that a handler receives."""

import typing
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar, overload

import msgspec

from ...shared.decoding import DECODERS
from ...shared.events import BY_TYPE, Envelope
from ...shared.nearest import did_you_mean
from ...shared.samples import samples
from ...shared.type_place import with_field

E = TypeVar("E", bound=Envelope)


@overload
def sample(
    event: type[E], /, *, event_id: str | None = None, created_at: datetime | int | None = None, **data: Any
) -> E: ...
@overload
def sample(
    event: str, /, *, event_id: str | None = None, created_at: datetime | int | None = None, **data: Any
) -> Any: ...
def sample(
    event: str | type[Envelope],
    /,
    *,
    event_id: str | None = None,
    created_at: datetime | int | None = None,
    **data: Any,
) -> Any:
    """OpenAI's documented example of an event, named by its type or its class, with other fields where given.

    `data` names fields of the event's `data`, so `id="resp_1"` is `event.data.id`. A field further in is written as a
    mapping, or with dots: `**{"required_action.type": "function_call"}`. `event_id` and `created_at` (a datetime, or
    Unix seconds) are the event's own. Raises ValueError for a type, a field or a value that the event cannot have.
    """
    name = event if isinstance(event, str) else _type_of(event)
    if name not in BY_TYPE:
        raise ValueError(f"{name!r} is no event type that OpenAI documents{did_you_mean(name, BY_TYPE)}")
    example = samples()[name]
    for key, value in _flat(data):
        _check(f"sample({name!r})", typing.get_type_hints(BY_TYPE[name])["data"], key)
        example = with_field(example, f"data.{key}", value)
    if event_id is not None:
        example = example | {"id": event_id}
    if created_at is not None:
        seconds = int(created_at.timestamp()) if isinstance(created_at, datetime) else created_at
        example = example | {"created_at": seconds}
    try:
        return DECODERS[name](msgspec.json.encode(example))
    except (TypeError, ValueError) as error:
        raise ValueError(f"sample({name!r}): {error}") from None


def _type_of(event: Any) -> str:
    is_event = isinstance(event, type) and issubclass(event, Envelope) and event is not Envelope
    if not is_event:
        raise ValueError(f"sample: expected an event type or a class of hookbus.events, not {event!r}")
    return str(event.__struct_config__.tag)


def _flat(fields: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    """Nested mappings as dotted names."""
    for name, value in fields.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _check(where: str, annotation: Any, key: str) -> None:
    """Raises ValueError if a dotted name leads to no field."""
    name, _, rest = key.partition(".")
    cls = next((each for each in (annotation, *typing.get_args(annotation)) if _is_struct(each)), None)
    if cls is None:
        raise ValueError(f"{where}: there are no fields for {key!r} to name")
    if name not in cls.__struct_fields__:
        fields = ", ".join(cls.__struct_fields__)
        hint = did_you_mean(name, cls.__struct_fields__) or f"; its fields are {fields}"
        raise ValueError(f"{where}: {cls.__name__} has no field {name!r}{hint}")
    if rest:
        _check(where, typing.get_type_hints(cls)[name], rest)


def _is_struct(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)
