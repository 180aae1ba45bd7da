"""One handler for each kind of annotation; each records the class that it was given."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, NewType, TypedDict, TypeVar

import msgspec
import pydantic
from openai.types.webhooks import ResponseIncompleteWebhookEvent, UnwrapWebhookEvent

from hookbus import App
from tests.end_to_end.handlers import recorder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hookbus import Delivery

annotated = App("annotated")
T = TypeVar("T")


def recorded(handler: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    """Record the class and the id of each event that a handler returns."""

    @functools.wraps(handler)
    async def wrapper(event: Any, delivery: Delivery) -> None:
        recorder.rpush("test:classes", f"{type(event).__name__} {await handler(event, delivery)}")

    return wrapper


@dataclass
class Data:
    id: str


@dataclass
class Of(Generic[T]):
    data: T


class AsDict(TypedDict):
    data: Data


class Model(pydantic.BaseModel):
    data: Data


@dataclass
class Expired:
    type: Literal["batch.expired"]
    data: Data


class Cancelled(msgspec.Struct, tag_field="type", tag="batch.cancelled"):
    data: Data


Named = NewType("Named", Model)


@annotated.on("response.completed")
@recorded
async def generic(event: Of[Data], delivery: Delivery) -> str:
    return event.data.id


@annotated.on("response.failed")
@recorded
async def typed_dict(event: AsDict, delivery: Delivery) -> str:
    return event["data"].id


@annotated.on("response.cancelled")
@recorded
async def model(event: Named, delivery: Delivery) -> str:
    return event.data.id


@annotated.on("response.incomplete")
@recorded
async def of_the_sdk(event: ResponseIncompleteWebhookEvent, delivery: Delivery) -> str:
    return event.data.id


@annotated.on("batch.expired")
@annotated.on("batch.cancelled")
@recorded
async def union(event: Expired | Cancelled, delivery: Delivery) -> str:
    return event.data.id


@annotated.on("eval.*")
@recorded
async def any_of_the_sdk(event: UnwrapWebhookEvent, delivery: Delivery) -> str:
    return event.data.id
