"""Reads the fields of a posted form, within bounds: what is none of our forms is refused, and is no fault of ours."""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

from aiohttp import web
from aiohttp.http_exceptions import PayloadEncodingError

from .guard import Refused

MAX_BYTES: Final = 64 * 1024
"""Ours have some hundred."""
MAX_FIELDS: Final = 100
"""Ours have some ten."""
BODY_S: Final = 10.0
"""How long a form may take to arrive: a slow line needs a second."""
KIND: Final = "application/x-www-form-urlencoded"


async def read(request: web.BaseRequest) -> Mapping[str, str] | Refused:
    """The fields with one value of each, or why they are refused."""
    if request.can_read_body and request.content_type != KIND:
        return Refused(400, f"a form is {KIND}")
    try:
        async with asyncio.timeout(BODY_S):
            body = await _body(request)
    except TimeoutError:
        return Refused(408, "the form did not arrive")
    except (web.RequestPayloadError, PayloadEncodingError, OSError):  # OSError: the browser has left
        return Refused(400, "the form did not arrive as a whole")
    if body is None:
        return Refused(413, f"a form has {MAX_BYTES} bytes at most")
    try:
        text = body.decode("utf-8")
        return dict(map(_decoded, parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)))
    except ValueError:  # not UTF-8, before its escapes or behind them, whatever charset it names; or too many fields
        return Refused(400, "a form has fields of UTF-8")


def _decoded(field: tuple[str, str]) -> tuple[str, str]:
    """A field as it was before `draw.hidden`. Raises ValueError."""
    name, text = field
    return (name[:-1], unquote(text, errors="strict")) if name.endswith("*") else field


async def _body(request: web.BaseRequest) -> bytes | None:
    """The body, None if it is too long: its length need not be declared."""
    if (request.content_length or 0) > MAX_BYTES:
        return None
    parts, size = [], 0
    async for part in request.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            return None
    return b"".join(parts)
