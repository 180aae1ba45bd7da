"""The body of an event in a test: what a sender would have signed."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ...shared.events import BY_TYPE
from ...shared.nearest import did_you_mean
from ...shared.samples import samples


def body_of(event_type: str, event: object) -> bytes:
    """The JSON of an event, with its `type` if it has none; bytes as they are, and OpenAI's example for None.

    Raises ValueError for what is no event of that type.
    """
    if isinstance(event, bytes | bytearray):
        return bytes(event)
    if event is None:
        if event_type not in BY_TYPE:
            hint = did_you_mean(event_type, BY_TYPE)
            raise ValueError(f"{event_type!r} has no example, as OpenAI documents no such type: pass an event{hint}")
        event = samples()[event_type]
    fields = _fields(event)
    own = fields.setdefault("type", event_type)
    if isinstance(own, str) and own != event_type and not event_type.endswith(f".{own}"):
        raise ValueError(f"the event is a {own!r}, and would never arrive as {event_type!r}")
    return msgspec.json.encode(fields)


def _fields(event: Any) -> dict[str, Any]:
    """The members of an event's JSON object."""
    dump = getattr(event, "model_dump", None)  # a pydantic model
    try:
        plain = msgspec.to_builtins(dump(mode="json") if callable(dump) else event, str_keys=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{type(event).__name__} can't be written as JSON: {error}") from None
    if not isinstance(plain, Mapping):
        raise ValueError(f"an event is a JSON object, not {type(event).__name__}: to deliver anything else, pass bytes")  # noqa: TRY004
    return dict(plain)
