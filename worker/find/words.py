"""The state of an event in a group, in words: one line for people, the same in the tool and on a page. Pure."""

from typing import Literal

from ...shared import output
from .life import (
    Dead,
    Handled,
    InHand,
    NotReached,
    NotSubscribed,
    Recovered,
    Redelivery,
    Retry,
    State,
    StoredBeforeGroup,
    Trimmed,
    Unknown,
)

Tone = Literal["good", "waits", "bad", "quiet"]


def state(found: State, now_ms: int) -> tuple[str, Tone]:
    """A state as text, which may hold what a handler raised, and how it is to be taken."""
    match found:
        case Handled():
            return _handled(found), "good"
        case Recovered():
            return _recovered(found, now_ms), "good"
        case Dead():
            return _dead(found, now_ms), "bad"
        case Unknown(error=error):
            return f"unknown: {error}", "bad"
        case InHand() | Retry() | Redelivery() | NotReached():
            return _waiting(found, now_ms), "waits"
    return _nothing(found), "quiet"


def _handled(found: Handled) -> str:
    text = "handled, and trimmed since" if found.is_trimmed else "handled"
    return text + (f", or one of {found.dropped:,} dead letters dropped by retention" if found.dropped else "")


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
            return "not delivered: stored before the group began; a replay delivers it"
        case Trimmed():
            return "handled, if it subscribes to the type: nothing is left of the event"
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
