"""The words for each state."""

import pytest

from hookbus.shared.entry import Failure
from hookbus.worker.find import words
from hookbus.worker.find.life import (
    Dead,
    Discard,
    Discarded,
    Doubt,
    Handled,
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
from hookbus.worker.find.search import Found

NOW_MS = 1_700_000_600_000
NOW = "2023-11-14 22:23:20.000Z"
ERROR = "ValueError: no such customer"
FAILED = (Failure(1, NOW_MS, 12, "a.1", f"{ERROR}\nand more"),)
BY = Discard(NOW_MS - 60_000, "anna@host", "INC-7\n")
DISCARDED = "discarded 1m ago by anna@host (INC-7)"

WORDS = [
    (Handled(), "handled", "good"),
    (Handled(is_trimmed=True), "handled, and trimmed since", "good"),
    (
        Handled(doubt=Doubt(dropped=1200)),
        "handled, or one of 1,200 dead letters dropped by retention",
        "unsure",
    ),
    (
        Handled(doubt=Doubt(discarded=3, losses=1, discards=(BY,))),
        f"handled, or {DISCARDED}, or one of 3 dead letters discarded, or lost: data loss seen 1 time",
        "unsure",
    ),
    (Discarded(BY), f"a dead letter of this id was {DISCARDED}", "unsure"),
    (
        Trimmed(Doubt(discarded=3)),
        "handled, if it subscribes to the type: nothing is left of the event, or one of 3 dead letters discarded",
        "unsure",
    ),
    (
        Recovered(3, NOW_MS - 60_000, "a.1", history=FAILED),
        f"handled 2023-11-14 22:22:20.000Z, 1m ago, by attempt 3; last: {ERROR}",
        "good",
    ),
    (Recovered(2, NOW_MS, "a.1", True), f"a replay was handled {NOW}, 0.0s ago, by attempt 2", "good"),
    (NotSubscribed(), "not subscribed", "quiet"),
    (OtherSource(("claude", "shop")), "not for this group: it takes events of source claude, shop alone", "quiet"),
    (
        Handled(doubt=Doubt(takes=("shop",))),
        "handled, or acked unrun by workers that take source shop alone",
        "unsure",
    ),
    (StoredBeforeGroup(), "not delivered, unless by a replay: stored before the group began", "quiet"),
    (Trimmed(), "handled, if it subscribes to the type: nothing is left of the event", "quiet"),
    (Unknown("WRONGTYPE"), "unknown: WRONGTYPE", "bad"),
    (Dead("wh_1", NOW_MS - 120_000, "rejected", "Reject: n", 2), "dead for 2m: rejected, 2 attempts: Reject: n", "bad"),
    (NotReached(None, ("a", "b")), "not reached: the group received none yet (a; b)", "waits"),
    (NotReached(1_700_000_000_000), "not reached: the group is at 2023-11-14 22:13:20.000Z", "waits"),
    (InHand("a.1", NOW_MS - 3000), "attempt 1 in hand of a.1 for 3.0s", "waits"),
    (
        InHand("a.1", NOW_MS - 3000, running_since_ms=NOW_MS - 2000),
        "attempt 1 in hand of a.1 for 3.0s, runs for 2.0s",
        "waits",
    ),
    (InHand("a.1", NOW_MS, is_alive=False), "attempt 1 was in hand of a.1, which died: others take it over", "waits"),
    (
        InHand("handover", NOW_MS - 3000, is_left=True, is_alive=False, attempt=2, history=FAILED),
        "attempt 2 left to the other workers 3.0s ago, by one that stopped; last: ValueError: no such customer",
        "waits",
    ),
    (
        InHand("a.1", NOW_MS - 3000, is_suspect=True, deaths=("b", "c"), is_replay=True),
        "replay: attempt 1 in hand of a.1 for 3.0s; a suspect, which runs in quarantine, which died of it 2 times",
        "waits",
    ),
    (Retry(3, NOW_MS + 12_000, history=FAILED), f"retry: attempt 3 due in 12s; last: {ERROR}", "waits"),
    (Retry(3, NOW_MS - 1), "retry: attempt 3 due now", "waits"),
    (Retry(3, NOW_MS + 5000, is_snoozed=True), "snoozed by its handler: attempt 3 due in 5.0s", "waits"),
    (Redelivery(1, NOW_MS - 60_000), "redrive: attempt 1 waits for 1m", "waits"),
    (Redelivery(1, NOW_MS - 60_000, is_replay=True), "replay: attempt 1 waits for 1m", "waits"),
    (Redelivery(2, NOW_MS - 60_000, because=("paused",)), "retry: attempt 2 waits for 1m (paused)", "waits"),
]  # fmt: skip


@pytest.mark.parametrize(("state", "text", "tone"), WORDS)
def test_a_state_in_words(state, text, tone):
    assert words.state(state, NOW_MS) == (text, tone)


def test_every_state_has_words():
    assert {type(state) for state, _, _ in WORDS} == set(State.__subclasses__())


@pytest.mark.parametrize(("found", "text"), [
    (Found(), "0 events; "),
    (Found(entries=7, reached_ms=NOW_MS), f"7 events back to {NOW}; "),
    (Found(entries=7, reached_ms=NOW_MS, until_ms=NOW_MS), f"7 events from {NOW} back to {NOW}; "),
    (Found(entries=7, reached_ms=NOW_MS, is_partial=True), "7 events, not of every type; "),
    (Found(sources=frozenset({"shop", "openai"})), "; the dedupe window of openai, shop"),
])  # fmt: skip
def test_what_was_searched_is_said_as_it_was(found, text):
    assert text in f"{words.searched(found)}; "


@pytest.mark.parametrize(("found", "text"), [
    (Found(), "is not in Redis: never stored here, or trimmed"),
    (Found(reached_ms=NOW_MS), f"is not in Redis: never stored here, or trimmed, or older than {NOW}"),
    (Found(left_out=800_000), "was not found in what was searched"),
    (Found(is_stopped=True), "was not found, but not all was searched"),
    (Found(left_out=1, unusable={"a": "WRONGTYPE"}), "was not found, but not all was searched"),
])  # fmt: skip
def test_that_it_is_nowhere_is_said_of_a_complete_search_alone(found, text):
    assert words.not_found(found) == text
