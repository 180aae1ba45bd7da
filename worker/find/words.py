"""The state of an event in a group, and what a search came to, in words: one line for people, the same in the tool and
on a page. Pure."""

from typing import Literal

from ...shared import output
from .life import (
    Dead,
    Discard,
    Discarded,
    Doubt,
    Handled,
    InGroup,
    InHand,
    NotReached,
    NotSubscribed,
    OtherSource,
    Recovered,
    Redelivery,
    Retry,
    State,
    StoredBeforeGroup,
    Trimmed,
    Unknown,
)
from .search import Found

Tone = Literal["good", "unsure", "waits", "bad", "quiet"]


def state(found: State, now_ms: int) -> tuple[str, Tone]:
    """A state as text, which may hold what a handler raised, and how it is to be taken."""
    match found:
        case Handled() | Trimmed() | Discarded():
            return _gone(found, now_ms)
        case Recovered():
            return _recovered(found, now_ms), "good"
        case Dead():
            return _dead(found, now_ms), "bad"
        case Unknown(error=error):
            return f"unknown: {error}", "bad"
        case InHand() | Retry() | Redelivery() | NotReached():
            return _waiting(found, now_ms), "waits"
    return _nothing(found), "quiet"


def not_found(found: Found) -> str:
    """What follows from a search that found nothing."""
    if found.unusable or found.is_stopped:
        return "was not found, but not all was searched"
    if found.left_out:
        return "was not found in what was searched"
    text = "is not in Redis: never stored here, or trimmed"
    return text + (f", or older than {output.moment(found.reached_ms)}" if found.reached_ms else "")


def searched(found: Found) -> str:
    """What was searched, in one line."""
    events = output.things(found.entries, "event")
    if found.is_partial:
        events += ", not of every type"
    elif found.reached_ms:
        since = f" from {output.moment(found.until_ms)}" if found.until_ms else ""
        events += f"{since} back to {output.moment(found.reached_ms)}"
    left_out = f" ({found.left_out:,} left out)" if found.left_out else ""
    records = f"{found.records:,} dead letters, retries and redeliveries{left_out}"
    days = f"the dedupe window of {output.line(', '.join(sorted(found.sources)))}" if found.sources else ""
    return "; ".join(filter(None, (events, records, days)))


def left_out(found: InGroup) -> str:
    """That not all of a group was looked through; "" if it was."""
    if not found.left_out:
        return ""
    return f"{found.left_out:,} of its retries, redeliveries and dead letters not looked through"


def _gone(found: Handled | Trimmed | Discarded, now_ms: int) -> tuple[str, Tone]:
    """Of a delivery of which nothing is left."""
    if isinstance(found, Discarded):
        return f"a dead letter of this id was {_discard(found.by, now_ms)}", "unsure"
    if found.doubt:
        return _handled(found) + _doubt(found.doubt, now_ms), "unsure"
    return _handled(found), "good" if isinstance(found, Handled) else "quiet"


def _handled(found: Handled | Trimmed) -> str:
    if isinstance(found, Trimmed):
        return "handled, if it subscribes to the type: nothing is left of the event"
    return "handled, and trimmed since" if found.is_trimmed else "handled"


def _doubt(doubt: Doubt, now_ms: int) -> str:
    """What else may have happened, each as `, or …`."""
    either = [_discard(each, now_ms) for each in doubt.discards]
    if doubt.takes:
        either.append(f"acked unrun by workers that take source {output.line(', '.join(doubt.takes))} alone")
    if doubt.dropped:
        either.append(f"one of {doubt.dropped:,} dead letters dropped by retention")
    if doubt.discarded:
        either.append(f"one of {doubt.discarded:,} dead letters discarded")
    if doubt.losses:
        either.append(f"lost: data loss seen {output.things(doubt.losses, 'time')}")
    return "".join(f", or {text}" for text in either)


def _discard(found: Discard, now_ms: int) -> str:
    text = f"discarded {output.since(found.at_ms, now_ms)} ago by {output.line(found.who)}"
    return text + (f" ({output.line(found.why)})" if found.why else "")


def _recovered(found: Recovered, now_ms: int) -> str:
    when = f"{output.moment(found.handled_at_ms)}, {output.since(found.handled_at_ms, now_ms)} ago"
    return f"{'a replay was ' if found.is_replay else ''}handled {when}, by attempt {found.attempt}{_last_error(found)}"


def _dead(found: Dead, now_ms: int) -> str:
    since, attempts = output.since(found.dead_lettered_ms, now_ms), output.things(found.attempts, "attempt")
    return f"dead for {since}: {found.reason}, {attempts}: {output.line(found.error)}"


def _nothing(found: State) -> str:
    match found:
        case NotSubscribed():
            return "not subscribed"
        case StoredBeforeGroup():
            return "not delivered, unless by a replay: stored before the group began"
        case OtherSource(takes=takes):
            return f"not for this group: it takes events of source {output.line(', '.join(takes))} alone"
    raise AssertionError(found)


def _waiting(found: InHand | Retry | Redelivery | NotReached, now_ms: int) -> str:
    match found:
        case InHand():
            return _in_hand(found, now_ms) + _last_error(found)
        case Retry(attempt=attempt, due_ms=due_ms):
            due = f"due in {output.age((due_ms - now_ms) / 1000)}" if due_ms > now_ms else "due now"
            name = "snoozed by its handler" if found.is_snoozed else _name(found)
            return f"{name}: attempt {attempt} {due}{_last_error(found)}"
        case Redelivery(attempt=attempt, since_ms=since_ms):
            since = output.since(since_ms, now_ms)
            return f"{_name(found)}: attempt {attempt} waits for {since}{_reasons(found)}{_last_error(found)}"
        case NotReached(reached_ms=reached_ms):
            reached = f"the group is at {output.moment(reached_ms)}" if reached_ms else "the group received none yet"
            return f"not reached: {reached}{_reasons(found)}"


def _in_hand(found: InHand, now_ms: int) -> str:
    since = output.since(found.since_ms, now_ms)
    what = f"{'replay: ' if found.is_replay else ''}attempt {found.attempt}"
    if found.is_left:
        text = f"{what} left to the other workers {since} ago, by one that stopped"
    elif found.is_alive:
        text = f"{what} in hand of {found.consumer} for {since}"
        if found.running_since_ms is not None:
            text += f", runs for {output.since(found.running_since_ms, now_ms)}"
    else:
        text = f"{what} was in hand of {found.consumer}, which died: others take it over"
    if not found.is_suspect:
        return text
    deaths = f", which died of it {output.things(len(found.deaths), 'time')}" if found.deaths else ""
    return f"{text}; a suspect, which runs in quarantine{deaths}"


def _name(found: Retry | Redelivery) -> str:
    if found.is_replay:
        return "replay"
    return "redrive" if found.attempt == 1 else "retry"


def _reasons(found: Redelivery | NotReached) -> str:
    return f" ({'; '.join(found.because)})" if found.because else ""


def _last_error(found: InHand | Retry | Redelivery | Recovered) -> str:
    return f"; last: {output.line(found.history[-1].error)}" if found.history else ""
