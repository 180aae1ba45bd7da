"""`POST /events/send`: what a test event of a type would run; confirmed, it is sent, and its own page shows its life.
Where ingest does not take it, the form says why, and sends the same event again."""

from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from ....shared.command import FailedError
from ....shared.nearest import did_you_mean
from ....shared.patterns import matches
from ....shared.posting import Answer
from ....shared.samples import samples
from ... import audit
from ...dlq import hindrances
from ...dlq.query import DeadLetters
from .. import sending, unended
from ..asked import Asked, Context, WrongQueryError
from ..sending import Sending
from ..view import Redirect, View

TYPE_CHARS: Final = 200
"""Of a wrong type that are said."""


class NotStoredError(FailedError):
    """Ingest has not said that the event is stored. `is_unsure`: it may be all the same."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(sending.refusal(answer))
        self.is_unsure = answer.is_unknown or answer.status >= 500


async def page(context: Context, asked: Asked) -> View | Redirect:
    """Raises FailedError without the settings, WrongQueryError."""
    if (sender := context.sending) is None:
        raise FailedError("no test event is sent: worker.console_send_url and worker.console_send_secret are not set")
    event_type = _type(asked)
    if not asked.form.get("confirmed"):
        return await _show(context, asked, sender, event_type, sending.fresh_id())
    if not sending.is_test(webhook_id := asked.form.get("id", "")):
        raise WrongQueryError("this form has no id of a test event: begin again on the page of events")
    try:
        await _send(context, asked, sender, event_type, webhook_id)
    except FailedError as error:
        return await _show(context, asked, sender, event_type, webhook_id, refused=error)
    return Redirect("/event?" + urlencode({"id": webhook_id}))


def _type(asked: Asked) -> str:
    event_type = asked.form.get("type", "")
    if event_type not in samples():
        hint = did_you_mean(event_type, samples())
        raise WrongQueryError(f"{event_type[:TYPE_CHARS]!r} is no type with an example{hint}")
    return event_type


async def _send(context: Context, asked: Asked, sender: Sending, event_type: str, webhook_id: str) -> None:
    """Send it as an action of the audit. Raises FailedError where that is impossible, NotStoredError."""
    action = asked.action(sending.VERB, audit.options(type=event_type, id=webhook_id), matching=1)
    async with audit.recorded(context.client, action, partial(unended.warn, sending.VERB)) as progress:
        answer = await sender.send(event_type, webhook_id)
        progress.set(int(answer.code == "accepted"))
        if not answer.is_stored:
            raise NotStoredError(answer)
        progress.told = f"stored as {answer.filed_as}" if answer.filed_as else ""


async def _show(
    context: Context,
    asked: Asked,
    sender: Sending,
    event_type: str,
    webhook_id: str,
    *,
    refused: FailedError | None = None,
) -> View:
    subscribed = {
        group: found
        for group, patterns in sorted(context.look.bus.patterns.items())
        if (found := sorted(each for each in patterns if matches(each, event_type)))
    }
    store = await DeadLetters.open(context.client, context.shards)
    waiting = await hindrances.fetch(context.client, store.shards, {(group, event_type): 1 for group in subscribed})
    values: dict[str, Any] = {
        "event_type": event_type,
        "id": webhook_id,
        "url": sender.url,
        "groups": subscribed,
        "waits": {each.group: each.detail for each in waiting},
        "why": asked.why,
        "command": sender.command(event_type),
        "refused": str(refused or ""),
        "is_unsure": isinstance(refused, NotStoredError) and refused.is_unsure,
    }
    title = f"Send a test event {event_type}"
    return View("sending.html", values, title, "/events", 409 if refused else 200, is_live=False)
