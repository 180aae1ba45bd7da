"""Annotations that are no class of an event: anything, a mapping, an optional event."""

import typing
from collections.abc import Mapping, MutableMapping
from typing import Annotated, Any, Optional

import pytest

from hookbus.events import Event, ResponseCompleted, UnknownEvent
from hookbus.worker.api.decode import decoder_for
from tests.programs import event_body

TYPE = "response.completed"


def decoded(annotation: Any, event_type: str = TYPE, body: bytes = event_body(TYPE)) -> Any:
    return decoder_for(annotation, event_type)(body)


@pytest.mark.parametrize("annotation", [Any, object, Event | None, Annotated[Any, 1]], ids=str)
def test_an_annotation_for_anything_gives_the_event_as_without_one(annotation):
    assert type(decoded(annotation)) is ResponseCompleted
    assert type(decoded(annotation, "order.paid", b'{"type": "order.paid"}')) is UnknownEvent


def test_an_event_is_never_none():
    assert type(decoded(Optional[ResponseCompleted])) is ResponseCompleted  # noqa: UP045
    assert decoded(dict | None)["type"] == TYPE


@pytest.mark.parametrize(
    "annotation",
    [Mapping, Mapping[str, Any], MutableMapping[str, Any], typing.Mapping, typing.MutableMapping[str, object]],
    ids=str,
)
def test_a_mapping_is_a_dict(annotation):
    found = decoded(annotation)
    assert type(found) is dict
    assert found["type"] == TYPE
    assert decoded(annotation, body=b'{"type": "response.completed", "data": {"x": NaN}}')["type"] == TYPE
