"""A body as it is read best: JSON with one line for each value, or the text as it came. Pure.

A stranger sent it, so what is drawn is bounded in lines and in markup, whatever the body holds: the whole of it is a
download. Numbers are shown as they were written, and names that come twice are shown twice.
"""

import json
from typing import Any, Final, NamedTuple

from markupsafe import Markup, escape

from .draw import marked, span

MAX_SHOWN_BYTES: Final = 64 * 1024
"""A longer body is shown as text: it would be parsed while everything else waits."""
MAX_LINES: Final = 2_000
"""What a person scrolls through. 2,000 cost 15 ms (measured), 20,000 a tenth of a second and more in the browser."""
MAX_MARKUP: Final = 150_000
"""Characters of markup: the rest of a page has some 20,000. Tokens of one character would make 30 times the body."""
PIECE: Final = 2_000
"""Characters drawn at once, so that one long text goes beyond `MAX_MARKUP` by little."""
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


class _FullError(Exception):
    """No more of the body is drawn."""


class _Sheet:
    """The lines drawn so far."""

    def __init__(self) -> None:
        self.lines: list[Markup] = []
        self._line: list[Markup] = []
        self._left = MAX_MARKUP

    def write(self, text: str, kind: str = "") -> None:
        """Go on with the line; `text` is from outside. Raises _FullError."""
        for i in range(0, len(text), PIECE):
            if self._left <= 0:
                raise _FullError
            piece = text[i : i + PIECE]
            drawn = span(kind, piece) if kind else marked(piece)
            self._left -= len(drawn)
            self._line.append(drawn)

    def end(self, text: str = "") -> None:
        """End the line; `text` is ours. Raises _FullError."""
        self.lines.append(escape("").join([*self._line, escape(text)]))
        self._line.clear()
        if len(self.lines) >= MAX_LINES:
            raise _FullError

    def close(self) -> None:
        """End a line that was begun, beyond every bound."""
        if self._line:
            self.lines.append(escape("").join(self._line))


def shown(body: bytes, *, is_raw: bool = False) -> Shown:
    """A body for a page; with `is_raw` as it came."""
    if not is_raw and len(body) <= MAX_SHOWN_BYTES:
        try:
            value = json.loads(
                body, parse_int=_Number, parse_float=_Number, parse_constant=_Number, object_pairs_hook=_Pairs
            )
            return _by_values(value)
        except (ValueError, RecursionError):
            pass
    return _as_text(body)


def _by_values(value: Any) -> Shown:
    """Raises ValueError beyond `MAX_DEPTH`."""
    sheet, is_cut = _Sheet(), False
    try:
        _draw(sheet, value, depth=0)
    except _FullError:
        is_cut = True
    sheet.close()
    return Shown(sheet.lines, is_cut=is_cut, is_json=True)


def _as_text(body: bytes) -> Shown:
    sheet, is_cut = _Sheet(), len(body) > MAX_SHOWN_BYTES
    try:
        for line in body[:MAX_SHOWN_BYTES].decode("utf-8", "backslashreplace").splitlines():
            sheet.write(line)
            sheet.end()
    except _FullError:
        is_cut = True
    sheet.close()
    return Shown(sheet.lines, is_cut=is_cut, is_json=False)


def _draw(sheet: _Sheet, value: Any, *, depth: int, comma: str = "") -> None:
    """The rest of the line on which a value begins, and its other lines. Raises _FullError, ValueError."""
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    if not isinstance(value, list) or not value:
        _scalar(sheet, value)
        sheet.end(comma)
        return
    is_object = isinstance(value, _Pairs)
    sheet.end("{" if is_object else "[")
    for i, each in enumerate(value):
        sheet.write(INDENT * (depth + 1))
        if is_object:
            sheet.write(f'"{each[0]}"', "k")
            sheet.write(": ")
        _draw(sheet, each[1] if is_object else each, depth=depth + 1, comma="," if i + 1 < len(value) else "")
    sheet.write(INDENT * depth)
    sheet.end(("}" if is_object else "]") + comma)


def _scalar(sheet: _Sheet, value: Any) -> None:
    match value:
        case _Pairs():
            sheet.write("{}")
        case list():
            sheet.write("[]")
        case _Number():
            sheet.write(value, "n")
        case str():
            sheet.write(json.dumps(value, ensure_ascii=False), "s")
        case _:
            sheet.write({None: "null", True: "true", False: "false"}[value], "l")
