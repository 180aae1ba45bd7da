"""Where a body names its type: OpenAI's in `type`, others elsewhere, at a path such as `data.type`."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from . import decoding, lenient
from .decoding import Head
from .undecodable import UNDECODABLE

DEFAULT: Final = "type"
MAX_CHARS: Final = 128
"""Of a path (a guess: the deepest of a known sender has nine)."""
_PLACE: Final = re.compile(r"(?!\$(\.|\Z))[^\s\x00-\x1f\x7f./\[\]]+(\.[^\s\x00-\x1f\x7f./\[\]]+)*")

_read_object = msgspec.json.Decoder(dict[str, Any]).decode


def problem(text: str) -> str:
    """Why a text is no path of names, "" if it is one; those of JSONPath and JSON Pointer are none."""
    if len(text) <= MAX_CHARS and _PLACE.fullmatch(text):
        return ""
    meant = ".".join(filter(None, re.split(r"[\s$./]+", text)))
    advice = f": write {meant!r}" if _PLACE.fullmatch(meant) and len(meant) <= MAX_CHARS else ", such as 'data.type'"
    return f"{text[:MAX_CHARS]!r} is not names separated by dots, {MAX_CHARS} characters at most{advice}"


def head_reader(place: str) -> Callable[[bytes], Head]:
    """The function that reads the type at a place, and `created_at`. It raises one of `UNDECODABLE` without a type."""
    if place == DEFAULT:
        return decoding.read_head
    names = place.split(".")

    def read(body: bytes) -> Head:
        try:
            fields = _read_object(body)
        except UNDECODABLE:
            fields = lenient.top_level(body)
        found: Any = fields
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        if not isinstance(found, str):
            raise ValueError(f"no type at {place}")  # noqa: TRY004 - every problem of a body is a ValueError
        return Head(found, fields.get("created_at"))

    return read


def with_field(table: Mapping[str, Any], place: str, value: Any) -> dict[str, Any]:
    """A copy of `table` with the field at a place set; missing parents are created. Raises ValueError if a parent is
    no object."""
    first, dot, rest = place.partition(".")
    if not dot:
        return {**table, first: value}
    inner = table.get(first, {})
    if not isinstance(inner, Mapping):
        raise ValueError(f"{first!r} is no object, so no field of it can be set")  # noqa: TRY004 - the user's mistake
    return {**table, first: with_field(inner, rest, value)}


def with_type(table: Mapping[str, Any], place: str, event_type: str) -> dict[str, Any]:
    """A copy of `table` with its type at a place. A parent that is missing or no object becomes one."""
    first, dot, rest = place.partition(".")
    if not dot:
        return {**table, first: event_type}
    inner = table.get(first)
    return {**table, first: with_type(inner if isinstance(inner, Mapping) else {}, rest, event_type)}
