"""OpenAI's documented example of every known event type, and events made from it with fields of one's own."""

import functools
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from . import clock, type_place
from .type_place import with_field, with_type


@functools.cache
def samples() -> dict[str, dict[str, Any]]:
    """Event type → its documented example. Not to be changed."""
    file = resources.files("hookbus.shared").joinpath("samples.json")
    examples: dict[str, dict[str, Any]] = json.loads(file.read_bytes())
    return examples


def event_body(event_type: str, data: Mapping[str, Any] | None = None, type_at: str = type_place.DEFAULT) -> bytes:
    """A new event in OpenAI's format: the example of its type, or a generic one for an unknown type.

    `data` sets fields of the event's `data`; a dot in a key descends. `type_at` is where the source has its types.
    Raises ValueError when a parent is no object.
    """
    from .posting import new_id  # a command that only names the types starts without the HTTP client

    example = samples().get(event_type, {"object": "event", "type": event_type, "data": {"id": new_id("obj")}})
    event = example | {"id": new_id("evt"), "created_at": clock.now_s()}
    for key, value in (data or {}).items():
        event = with_field(event, f"data.{key}", value)
    if type_at != type_place.DEFAULT:
        del event["type"]
        event = with_type(event, type_at, event_type)
    return json.dumps(event).encode()
