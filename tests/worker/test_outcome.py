import asyncio
import math

import msgspec
import pytest

from worker import Reject, Retry, RetryLater, outcome
from worker.outcome import MESSAGE_CHARS, TRACEBACK_CHARS, Bury, Cause, Park, describe, failed

RETRY = Retry(attempts=3, base=10, factor=2)


def raised(error: BaseException) -> BaseException:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


@pytest.mark.parametrize(("attempt", "least_s"), [(1, 10), (2, 20)])
def test_any_exception_is_tried_again_after_its_step(attempt, least_s):
    result = failed(raised(KeyError("x")), attempt, RETRY)
    assert isinstance(result, Park)
    assert least_s <= result.wait_s <= least_s * 1.25
    assert (result.cause.error_class, result.cause.message) == ("KeyError", "'x'")


@pytest.mark.parametrize("attempt", [3, 4, 10**9])
def test_after_the_last_attempt_it_is_a_dead_letter(attempt):
    result = failed(raised(KeyError("x")), attempt, RETRY)
    assert isinstance(result, Bury)
    assert result.reason == "attempts_exhausted"


def test_retry_later_sets_the_wait_itself():
    result = failed(raised(RetryLater(90)), 1, RETRY)
    assert isinstance(result, Park)
    assert (result.wait_s, str(result.cause)) == (90, "RetryLater: again in 90 s")


def test_retry_later_counts_as_an_attempt():
    error = raised(RetryLater(1))
    assert failed(error, 3, RETRY) == Bury("attempts_exhausted", describe(error))


@pytest.mark.parametrize(("asked", "wait_s"), [(-5, 0.0), (0, 0.0), (0.25, 0.25), (True, 1.0)])
def test_retry_later_never_waits_less_than_nothing(asked, wait_s):
    assert RetryLater(asked).seconds == wait_s


@pytest.mark.parametrize("asked", [math.nan, math.inf, -math.inf])
def test_retry_later_without_a_time_is_an_error_of_the_handler_which_follows_its_schedule(asked):
    with pytest.raises(ValueError, match="a number of seconds is needed") as caught:
        RetryLater(asked)
    assert isinstance(failed(caught.value, 1, RETRY), Park)


def test_a_retry_later_that_a_subclass_forgot_to_set_up_is_due_at_once():
    class Forgetful(RetryLater):
        def __init__(self) -> None:
            pass

    error = raised(Forgetful())
    assert failed(error, 1, RETRY) == Park(0.0, describe(error))


def test_reject_is_a_dead_letter_at_once_with_its_reason():
    result = failed(raised(Reject("no such customer")), 1, RETRY)
    assert isinstance(result, Bury)
    assert (result.reason, result.cause.message) == ("rejected", "no such customer")


def test_what_never_ran_has_a_reason_and_a_cause_of_its_own():
    too_old = Cause("Expired", "61.3 s old, received 1.0 s ago, max_age is 60 s")
    assert outcome.expired(61.26, 1, 60) == Bury("expired", too_old)
    assert outcome.worker_lost(("a@1", "b@2")).cause.message == "2 workers died of it: a@1, b@2"
    assert outcome.undecodable(ValueError("bad")) == Bury("undecodable", Cause("ValueError", "bad"))
    assert outcome.foreign("no id") == Bury("undecodable", Cause("ForeignEntry", "no id"))


def test_messages_and_tracebacks_are_capped_and_a_traceback_keeps_both_ends():
    cause = describe(raised(ValueError("m" * 100_000 + "end")))
    assert len(cause.message) == MESSAGE_CHARS
    assert len(cause.traceback) < TRACEBACK_CHARS + 100
    assert cause.traceback.startswith("Traceback")
    assert cause.traceback.endswith("end\n")
    assert "characters left out" in cause.traceback
    assert len(outcome.undecodable(ValueError("m" * 100_000)).cause.message) == MESSAGE_CHARS


class BrokenError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even that")


class NoTextError(Exception):
    def __str__(self) -> str:
        return None  # type: ignore[return-value] # noqa: PLE0307


def test_an_exception_whose_str_is_broken_is_described_all_the_same():
    assert describe(raised(BrokenError())).message == "<no text: RuntimeError>"
    assert describe(raised(NoTextError())).message == "<no text: TypeError>"
    assert outcome.undecodable(BrokenError()).cause.message == "<no text: RuntimeError>"


def test_a_text_that_utf_8_can_not_hold_is_written_with_escapes():
    cause = describe(raised(ValueError("name \udcff")))
    assert cause.message == "name \\udcff"
    for text in (cause.message, cause.traceback, outcome.undecodable(ValueError("\udcff")).cause.message):
        msgspec.msgpack.encode(text)


def test_a_given_message_replaces_the_exceptions_own():
    assert describe(raised(TimeoutError()), "no end after 5 s").message == "no end after 5 s"


def test_a_cause_reads_as_one_line():
    assert str(Cause("KeyError", "'x'")) == "KeyError: 'x'"
    assert str(Cause("TimeoutError", "")) == "TimeoutError"


def fails_here(source: str) -> Cause:
    """Run some code as a module of the user's, and describe how it fails."""
    scope: dict = {}
    exec(compile(source, "/srv/app/handlers.py", "exec"), scope)
    try:
        scope["handle"]()
    except Exception as error:
        return describe(error)
    raise AssertionError("it did not fail")


def test_the_application_frame_is_the_innermost_of_the_users_and_stays_when_lines_move():
    plain = "def charge():\n    raise KeyError('x')\ndef handle():\n    charge()\n"
    moved = "# a comment\n\n\n" + plain.replace("    charge()", "    a = 1\n    charge()")
    assert fails_here(plain).frame == fails_here(moved).frame == "handlers.py:charge"


@pytest.mark.parametrize(
    "body",
    ["import json; json.loads('{')", "import nobody_has_this", "import asyncio; asyncio.run(None)",
     "import msgspec; msgspec.json.decode(b'{')", "from shared.keys import shard_of; shard_of(None, 1)"],
)  # fmt: skip
def test_neither_the_library_nor_hookbus_nor_the_import_machinery_is_the_application(body):
    assert fails_here(f"def handle():\n    {body}\n").frame == "handlers.py:handle"


def test_without_an_application_frame_there_is_none():
    assert describe(TimeoutError()).frame == ""


async def test_an_error_of_a_group_of_tasks_is_described():
    async def fails() -> None:
        raise ValueError("inner")

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fails())
    cause = describe(caught.value)
    assert cause.error_class == "ExceptionGroup"
    assert "ValueError: inner" in cause.traceback
