"""A second, lenient decoding of a body that msgspec refuses: it accepts what less strict JSON readers accept.

Senders and receivers in other languages write and read lone surrogates, NaN, a byte order mark, bytes that are not
UTF-8, or numbers and depths without a bound; an event must not lose its type because of them. It costs ten times the
strict decoding, so it runs only after a failure.
"""

import json
import re
import sys
from typing import Any, Final

HEAD_BYTES: Final = 1024 * 1024
"""Longest body whose top level is read: some 40 ms of the event loop at worst. OpenAI's events have 300 bytes."""

TOKENS: Final = 100_000
"""Most strings and runs of brackets to scan in a document too deep for Python's reader: at most 20 ms."""

_DIGITS: Final = sys.int_info.default_max_str_digits
"""Python refuses to convert a longer integer, since that takes quadratic time."""

_STRING = r'"(?:[^"\\]++|\\.)*+"'
_OPENING = re.compile(r"\s*+\{")
_KEY = re.compile(rf"\s*+({_STRING})\s*+:\s*+", re.DOTALL)
_SCALAR = re.compile(rf'{_STRING}|[^\s,{{}}\[\]"]++', re.DOTALL)
_TOKEN = re.compile(rf"{_STRING}|[\[{{]++|[\]}}]++", re.DOTALL)
_COMMA = re.compile(r"\s*+,")
_END = re.compile(r"\s*+\}\s*+\Z")


def document(body: bytes) -> Any:
    """The JSON document. Raises ValueError if no reader accepts it, RecursionError if it is too deep."""
    return _read(_text(body))


def top_level(body: bytes) -> dict[str, Any]:
    """The top level of a JSON object; objects and lists in it may be None. Raises ValueError.

    Of a duplicate key the last one counts, as for nearly all readers.
    """
    if len(body) > HEAD_BYTES:
        raise ValueError(f"more than {HEAD_BYTES} bytes")
    text = _text(body)
    try:
        value = _read(text)
    except RecursionError:
        return _flat(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - every problem of a body is a ValueError
    return value


def _text(body: bytes) -> str:
    return body.decode(json.detect_encoding(body), "replace")


def _read(text: str) -> Any:
    return json.loads(text, strict=False, parse_int=_integer)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def _flat(text: str) -> dict[str, Any]:
    """As `top_level`, for a document of any depth: only strings and brackets are scanned."""
    fields: dict[str, Any] = {}
    at = _after(_OPENING, text, 0)
    budget = TOKENS
    while True:
        if (key := _KEY.match(text, at)) is None:
            raise ValueError("not a JSON object")
        at = key.end()
        if text[at : at + 1] in ("{", "["):
            value = None
            at, budget = _skip(text, at, budget)
        else:
            begin, at = at, _after(_SCALAR, text, at)
            value = _read(text[begin:at])
        fields[_read(key[1])] = value
        if (comma := _COMMA.match(text, at)) is None:
            _after(_END, text, at)
            return fields
        at = comma.end()


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    if (match := pattern.match(text, at)) is None:
        raise ValueError("not a JSON object")
    return match.end()


def _skip(text: str, at: int, budget: int) -> tuple[int, int]:
    """The end of the object or list that begins at `at`, and the remaining budget."""
    depth = 0
    for token in _TOKEN.finditer(text, at):
        budget -= 1
        run = token[0]
        if run[0] in "[{":
            depth += len(run)
        elif run[0] != '"':
            if depth <= len(run):
                return token.start() + depth, budget
            depth -= len(run)
        if budget <= 0:
            raise ValueError(f"more than {TOKENS} brackets and strings")
    raise ValueError("not a JSON object")
