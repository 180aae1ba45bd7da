"""A handler of each behaviour, by the id of its event's data: for a Bus and for a real worker."""

import asyncio
import contextlib

from hookbus import App, Breaker, Delivery, Hold, Pause, Reject, Retry, RetryLater
from hookbus.events import RealtimeCallIncoming, ResponseCompleted

app = App("behaviours")
RETRY = Retry(attempts=2, base=600)


def raise_group() -> None:
    raise ExceptionGroup("two", [ValueError("a"), Reject("b")])


class BrokenError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


ERRORS = {
    "fails": ValueError("no"),
    "rejects": Reject("not ours"),
    "snoozes": RetryLater(600),
    "is late": TimeoutError("upstream"),
    "exits": SystemExit(3),
    "is broken": BrokenError(),
    "groups": ExceptionGroup("two", [ValueError("a"), RetryLater(5)]),
    "cancels": asyncio.CancelledError(),
}


@app.on("response.completed", retry=RETRY, timeout=0.5, breaker=Breaker(failures=1000))
async def behave(event: ResponseCompleted, delivery: Delivery) -> None:
    name = event.data.id
    if name in ERRORS:
        raise ERRORS[name]
    if name == "groups and rejects":
        raise_group()
    if name == "hangs":
        await asyncio.sleep(60)
    if name == "cancels its task":
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
    if name == "swallows":
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


@app.on("realtime.call.incoming", max_age=20, retry=RETRY)
def answer(event: RealtimeCallIncoming) -> None:
    if event.data.call_id == "fails":
        raise ValueError("in a thread")


@app.on("batch.completed", retry=RETRY)
async def hold(event: dict) -> None:
    raise Hold(600)


@app.on("batch.failed", retry=RETRY)
async def pause(event: dict) -> None:
    raise Pause("no credit")


EVENTS = {
    "returns": ("response.completed", {"data": {"id": "returns"}}),
    **{name: ("response.completed", {"data": {"id": name}}) for name in ERRORS},
    **{
        name: ("response.completed", {"data": {"id": name}})
        for name in ("groups and rejects", "hangs", "cancels its task", "swallows")
    },
    "does not fit": ("response.completed", {"data": {"id": 7}}),
    "is no event": ("response.completed", {"data": None}),
    "is fresh": ("realtime.call.incoming", {"data": {"call_id": "a", "sip_headers": []}}),
    "fails in a thread": ("realtime.call.incoming", {"data": {"call_id": "fails", "sip_headers": []}}),
    "holds": ("batch.completed", {}),
    "pauses": ("batch.failed", {}),
}
