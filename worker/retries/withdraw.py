"""The steps that end a wait: `hasten` makes a parked delivery due, `withdraw` makes a waiting one a dead letter."""

from ...shared import scripts
from ...shared.keys import listed_as
from ..dlq.moves import index
from ..dlq.unsubscribed import Subscribed, is_unsubscribed
from ..pipeline import dead_letter, outcome
from ..pipeline.dead_letter import DeadLetterRecord, fingerprint
from .waiting import Waiting


def hasten(waiting: Waiting, now_ms: int) -> scripts.Call:
    """The call that makes a parked delivery due, if it is still the one that was read."""
    keys, group = waiting.keys, waiting.group
    args = (waiting.name, waiting.due_ms, now_ms, group)
    return scripts.Call(scripts.HASTEN, (keys.delayed(group), keys.due), args)


def withdraw(waiting: Waiting, subscribed: Subscribed, now_ms: int) -> scripts.Call:
    """The call that makes a delivery a dead letter, if it still waits."""
    record = write(waiting, subscribed, now_ms)
    encoded = (dead_letter.encode(record), record.fingerprint, dead_letter.encode(record.kind))
    letter = (record.webhook_id, now_ms, *encoded)
    keys, group, names = waiting.keys, waiting.group, index(waiting.keys, waiting.group, record.fingerprint)
    if waiting.state == "queued":
        stream = keys.redelivery(waiting.type, group)
        args = (group, "", waiting.name, listed_as(waiting.type, group), *letter)
        return scripts.Call(scripts.WITHDRAW, (stream, *names, keys.redeliveries), args)
    parked = (keys.delayed(group), keys.delayed_data(group), keys.snoozed(group))
    return scripts.Call(scripts.WITHDRAW_PARKED, (*parked, *names), (waiting.name, waiting.due_ms, *letter))


def write(waiting: Waiting, subscribed: Subscribed, dead_lettered_at_ms: int) -> DeadLetterRecord:
    """Build the letter; it has the last error, and its history keeps the earlier ones."""
    entry = waiting.entry
    is_left = is_unsubscribed(subscribed, waiting.group, waiting.type)
    last = waiting.last.error if waiting.last else ""
    ended = outcome.unsubscribed(waiting.group, waiting.type) if is_left else outcome.withdrawn(last)
    cause = ended.cause
    return DeadLetterRecord(
        type=waiting.type,
        group=waiting.group,
        webhook_id=entry.webhook_id,
        source=entry.source,
        received_at_ms=entry.received_at_ms,
        dead_lettered_at_ms=dead_lettered_at_ms,
        reason=ended.reason,
        error_class=cause.error_class,
        message=cause.message,
        traceback="",
        frame="",
        fingerprint=fingerprint(cause.error_class, "", waiting.type, ended.reason),
        attempts=entry.attempt - 1,
        history=entry.history,
        body=entry.body,
        traceparent=entry.traceparent,
        is_replay=entry.is_replay,
    )
