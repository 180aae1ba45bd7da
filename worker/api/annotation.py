"""Reads the annotation of a handler's first parameter: the classes behind its aliases, and which types they cover."""

import functools
import types
import typing
from collections.abc import Collection
from typing import Any, Final

from ...shared.events import BY_TYPE, Envelope, Event, KnownEvent
from ...shared.traced import repr_of, text_of

TAGS = {cls: name for name, cls in BY_TYPE.items()}
"""The type of each event struct."""
MEMBERS: Final = 3
"""How many classes of a union a message names; the SDK's has 31."""

TEXT_CHARS: Final = 2_000
"""Of an error in an alias; as much as of one in a model."""


class ImpossibleError(Exception):
    """No body of an event type can be decoded into the annotation; the message is the reason."""


def classes_of(annotation: Any, within: Collection[Any] = ()) -> tuple[Any, ...]:
    """The members of a union, or the annotation alone; without `NewType`, `Annotated`, aliases and bounds. An event is
    never None, so `Optional` adds nothing; `Any` and `object` stand for `Event`. `within` are the aliases that it is
    part of. Raises ImpossibleError for what is no type.
    """
    aliases = set(within)
    annotation = _unwrapped(annotation, aliases)
    if annotation is Any or annotation is object:
        return classes_of(Event)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        return tuple(cls for member in members for cls in classes_of(member, aliases))
    return (annotation,)


def _unwrapped(annotation: Any, aliases: set[Any]) -> Any:
    """What an annotation stands for; adds the aliases on the way there."""
    while True:
        if not _is_hashable(annotation):
            raise ImpossibleError(f"{repr_of(annotation)} is no type; write the class alone, or a union with `|`")
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif _is_alias(annotation) or isinstance(annotation, typing.TypeVar):
            if annotation in aliases:
                raise ImpossibleError(f"{repr_of(annotation)} stands for itself")
            aliases.add(annotation)
            annotation, alias = _meant(annotation), annotation
            if annotation is alias:  # a type variable without a bound
                return annotation
        else:
            return annotation


def _is_alias(annotation: Any) -> bool:
    """Whether it is made by a `type` statement, from Python 3.12 on, or by typing_extensions; with arguments too."""
    return type(typing.get_origin(annotation) or annotation).__name__ == "TypeAliasType"


def _meant(named: Any) -> Any:
    """What an alias stands for, or the bound of a type variable. Both are code of the user's that is only run here."""
    try:
        if isinstance(named, typing.TypeVar):
            return named if named.__bound__ is None else named.__bound__
        alias = typing.get_origin(named) or named
        value = alias.__value__
        arguments = dict(zip(alias.__type_params__, typing.get_args(named), strict=False))
        parameters = getattr(value, "__parameters__", ()) if arguments else ()
        filled = tuple(arguments.get(each, each) for each in parameters)
        return value[filled] if filled else arguments.get(value, value)
    except Exception as error:  # noqa: BLE001 - of the user's code
        cure = "; import or define it at the top of the module" if isinstance(error, NameError) else ""
        raise ImpossibleError(f"{repr_of(named)} can't be read: {text_of(error, TEXT_CHARS)}{cure}") from None


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
