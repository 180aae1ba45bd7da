"""One handler for each sender, as its users write them; each records what it got under its own name."""

from typing import Any

import msgspec

from hookbus import App, Delivery
from hookbus.events import BatchFailed, Event, UnknownEvent
from tests.end_to_end.handlers import recorder

app = App("senders")


def record(name: str, delivery: Delivery, seen: object) -> None:
    recorder.rpush(f"test:senders:{name}", f"{delivery.webhook_id} {delivery.source} {delivery.type} {seen}")


@app.on("batch.failed")
async def openai(event: BatchFailed, delivery: Delivery) -> None:
    record("openai", delivery, event.data.id)


@app.on("gemini.*", source="gemini")
async def gemini(event: UnknownEvent, delivery: Delivery) -> None:
    record("gemini", delivery, f"{event.type} {event.data['id']}")


@app.on("claude.session.*")
async def claude(event: dict[str, Any], delivery: Delivery) -> None:
    record("claude", delivery, event["data"]["id"])


class User(msgspec.Struct):
    id: str


class UserCreated(msgspec.Struct):
    data: User
    instance_id: str


@app.on("clerk.user.created")
async def clerk(event: UserCreated, delivery: Delivery) -> None:
    record("clerk", delivery, f"{event.data.id} {event.instance_id}")


@app.on("resend.*")
def resend(event: Event, delivery: Delivery) -> None:
    assert isinstance(event, UnknownEvent)
    record("resend", delivery, f"{event.type} {event.data['email_id']}")


@app.on("*")
async def rest(event: Event, delivery: Delivery) -> None:
    record("rest", delivery, type(event).__name__)
