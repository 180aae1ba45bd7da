"""Reads the annotation of a handler's first parameter: the classes behind its aliases, and which types they cover."""

import functools
import types
import typing
from typing import Any, Final

from ...shared.events import BY_TYPE, Envelope, Event, KnownEvent
from ...shared.traced import repr_of

TAGS = {cls: name for name, cls in BY_TYPE.items()}
"""The type of each event struct."""
MEMBERS: Final = 3
"""How many classes of a union a message names; the SDK's has 31."""


class ImpossibleError(Exception):
    """No body of an event type can be decoded into the annotation; the message is the reason."""


def classes_of(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the annotation alone; without `NewType`, `Annotated` and aliases. An event is never
    None, so `Optional` adds nothing; `Any` and `object` stand for `Event`. Raises ImpossibleError for what is no type.
    """
    annotation = _unwrapped(annotation)
    if annotation is Any or annotation is object:
        return classes_of(Event)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        return tuple(cls for member in members for cls in classes_of(member))
    return (annotation,)


def _unwrapped(annotation: Any) -> Any:
    while True:
        if not _is_hashable(annotation):
            raise ImpossibleError(f"{repr_of(annotation)} is no type; write the class alone, or a union with `|`")
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":  # from Python 3.12 on, or of typing_extensions
            annotation = annotation.__value__
        else:
            return annotation


def _is_hashable(annotation: Any) -> bool:
    """Whether it may be a type: all of them are hashable."""
    try:
        hash(annotation)
    except Exception:  # noqa: BLE001 - it is an object of the user's
        return False
    return True


@functools.lru_cache(maxsize=256)  # of 34 event structs and some of the user's own; asked once for each type
def types_of(cls: Any) -> tuple[str, ...]:
    """The event types that a class covers by its own account: an event struct, a struct with `tag_field="type"`, or
    any class with a field `type: Literal["…"]`. Empty if it does not say."""
    if cls in TAGS:
        return (TAGS[cls],)
    if cls is Envelope:
        return ()
    cls = typing.get_origin(cls) or cls
    config = getattr(cls, "__struct_config__", None)
    if config is not None and config.tag_field == "type":
        return (str(config.tag),)
    hint = _field_type(cls)
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()


def _field_type(cls: Any) -> Any:
    """The annotation of the field `type`, None if there is none."""
    fields = getattr(cls, "model_fields", None)
    if isinstance(fields, dict):  # of a pydantic model, which has resolved names that its module lacks
        return getattr(fields.get("type"), "annotation", None)
    try:
        return typing.get_type_hints(cls).get("type")
    except Exception:  # noqa: BLE001 - the annotations of the user's fields; whoever decodes into them reports them
        return None


def name_of_annotation(annotation: Any) -> str:
    """For messages; the first members of a long union."""
    if annotation in (Event, KnownEvent):
        return "Event"
    classes = classes_of(annotation)
    if len(classes) == 1:
        return getattr(annotation, "__name__", None) or str(annotation)
    names = [name_of_annotation(cls) for cls in classes[:MEMBERS]]
    return " | ".join([*names, "…"] if len(classes) > MEMBERS else names)
