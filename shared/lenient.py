"""The second look at a body: as JSON readers take it that are less strict than msgspec, where that one refuses.

Senders and receivers in other languages write and read lone surrogates, NaN, a byte order mark, bytes that are not
UTF-8, or numbers and depths without a bound; an event must not lose its type by them. Costs ten times the first look,
so it comes only after a failure.
"""

import json
import re
import sys
from typing import Any, Final

HEAD_BYTES: Final = 1024 * 1024
"""Longest body whose top level is looked at: some 40 ms of the event loop at worst. OpenAI's events have 300 bytes."""

TOKENS: Final = 100_000
"""Strings and runs of brackets that are walked over in a document too deep for Python's reader, for at most 20 ms."""

_DIGITS: Final = sys.int_info.default_max_str_digits
"""Python refuses to read a longer integer, as that takes quadratic time."""

_STRING = r'"(?:[^"\\]++|\\.)*+"'
_OPENING = re.compile(r"\s*+\{")
_KEY = re.compile(rf"\s*+({_STRING})\s*+:\s*+", re.DOTALL)
_SCALAR = re.compile(rf'{_STRING}|[^\s,{{}}\[\]"]++', re.DOTALL)
_TOKEN = re.compile(rf"{_STRING}|[\[{{]++|[\]}}]++", re.DOTALL)
_COMMA = re.compile(r"\s*+,")
_END = re.compile(r"\s*+\}\s*+\Z")


def document(body: bytes) -> Any:
    """The JSON document. Raises ValueError when no reader takes it, RecursionError when it is too deep."""
    return _read(_text(body))


def top_level(body: bytes) -> dict[str, Any]:
    """The top level of a JSON object; objects and lists in it may be None. Raises ValueError.

    Of a key that stands there twice the last one counts, as for nearly all readers.
    """
    if len(body) > HEAD_BYTES:
        raise ValueError(f"more than {HEAD_BYTES} bytes")
    text = _text(body)
    try:
        found = _read(text)
    except RecursionError:
        return _flat(text)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - all that is wrong with a body is a ValueError
    return found


def _text(body: bytes) -> str:
    return body.decode(json.detect_encoding(body), "replace")


def _read(text: str) -> Any:
    return json.loads(text, strict=False, parse_int=_integer)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def _flat(text: str) -> dict[str, Any]:
    """As `top_level`, of a document of any depth: only its strings and brackets are looked at."""
    found: dict[str, Any] = {}
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
        found[_read(key[1])] = value
        if (comma := _COMMA.match(text, at)) is None:
            _after(_END, text, at)
            return found
        at = comma.end()


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    if (found := pattern.match(text, at)) is None:
        raise ValueError("not a JSON object")
    return found.end()


def _skip(text: str, at: int, budget: int) -> tuple[int, int]:
    """Where an object or list that begins here ends, and what is left of the budget."""
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
