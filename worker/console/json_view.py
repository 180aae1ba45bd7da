"""A body as it is read best: JSON with one line for each value, or the text as it came. Pure.

Each token is escaped by itself, and the number of tokens and their depth are bounded: a body is what a stranger sent.
Numbers are shown as they were written, and names that come twice are shown twice.
"""

import itertools
import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from markupsafe import Markup, escape

from .draw import marked, span

MAX_SHOWN_BYTES: Final = 64 * 1024
"""A longer body is cut: a browser takes seconds to lay out a megabyte of spans. The whole of it is a download."""
MAX_TOKENS: Final = 20_000
MAX_DEPTH: Final = 64
INDENT: Final = "  "


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """An object with its names in order, also those that come twice."""


class Shown(NamedTuple):
    """`lines` of markup. `is_cut`: the body is longer. `is_json`: it is shown by its values."""

    lines: list[Markup]
    is_cut: bool
    is_json: bool


def shown(body: bytes) -> Shown:
    """A body for a page."""
    is_cut = len(body) > MAX_SHOWN_BYTES
    if not is_cut:
        try:
            value = json.loads(
                body, parse_int=_Number, parse_float=_Number, parse_constant=_Number, object_pairs_hook=_Pairs
            )
            lines = _bounded(_value(value, "", 0))
        except (ValueError, RecursionError):
            pass
        else:
            return Shown(lines, is_cut=False, is_json=True)
    text = body[:MAX_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return Shown([marked(line) for line in text.splitlines()[:MAX_TOKENS]], is_cut, is_json=False)


def _bounded(lines: Iterator[Markup]) -> list[Markup]:
    """Raises ValueError for more than `MAX_TOKENS`."""
    found = list(itertools.islice(lines, MAX_TOKENS + 1))
    if len(found) > MAX_TOKENS:
        raise ValueError("too many values")
    return found


def _value(value: Any, name: str | Markup, depth: int, end: str = "") -> Iterator[Markup]:
    """The lines of a value; `name` stands before it. Raises ValueError beyond `MAX_DEPTH`."""
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    before = escape(INDENT * depth) + name
    if isinstance(value, _Pairs) and value:
        yield before + "{"
        for i, (key, each) in enumerate(value):
            yield from _value(each, span("k", f'"{key}"') + ": ", depth + 1, "," if i + 1 < len(value) else "")
        yield escape(INDENT * depth) + "}" + end
    elif isinstance(value, list) and value and not isinstance(value, _Pairs):
        yield before + "["
        for i, each in enumerate(value):
            yield from _value(each, "", depth + 1, "," if i + 1 < len(value) else "")
        yield escape(INDENT * depth) + "]" + end
    else:
        yield before + _scalar(value) + end


def _scalar(value: Any) -> Markup:
    match value:
        case _Pairs():
            return escape("{}")
        case list():
            return escape("[]")
        case _Number():
            return span("n", value)
        case str():
            return span("s", json.dumps(value, ensure_ascii=False))
    return span("l", {None: "null", True: "true", False: "false"}[value])
