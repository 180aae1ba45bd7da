import asyncio
import traceback

import pytest

from hookbus.shared.traced import EXCEPTIONS, MEMBERS, TRACEBACK_CHARS, text_of, trace_of


def raised(error: BaseException) -> BaseException:
    """The error, with a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def fails_twice(cause: str) -> None:
    """A KeyError out of the handling of a ValueError: its `from`, `None`, or neither."""
    try:
        int("x")
    except ValueError as first:
        first.add_note("a note")
        if cause == "neither":
            raise KeyError("k")  # noqa: B904 - that is the point
        raise KeyError("k") from (first if cause == "from" else None)


@pytest.mark.parametrize("cause", ["from", "None", "neither"])
def test_an_ordinary_error_reads_as_python_prints_it(cause):
    with pytest.raises(KeyError) as caught:
        fails_twice(cause)
    assert trace_of(caught.value) == "".join(traceback.format_exception(caught.value))


def test_an_error_of_a_module_and_one_without_text_read_as_python_prints_them():
    for error in (asyncio.QueueEmpty(), TimeoutError(), SyntaxError("bad", ("page.j2", 3, 7, "{% for x in %}"))):
        assert trace_of(raised(error)) == "".join(traceback.format_exception(error))


async def test_a_group_shows_what_it_holds():
    async def fails() -> None:
        raise ValueError("inner")

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fails())
    told = trace_of(caught.value)
    assert "ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)" in told
    assert "  | ValueError: inner" in told
    assert "in fails" in told


def test_a_wide_group_shows_its_first_members_and_says_how_many_more():
    told = trace_of(ExceptionGroup("g", [ValueError(i) for i in range(1000)]))
    assert f"ValueError: {MEMBERS - 1}\n" in told
    assert f"and {1000 - MEMBERS} more" in told


def test_of_a_long_chain_the_newest_are_shown():
    last = None
    for number in range(1000):
        error = ValueError(number)
        error.__cause__, last = last, error
    told = trace_of(last)
    assert told.endswith("ValueError: 999\n")
    assert told.count("ValueError") == EXCEPTIONS
    assert told.startswith("… more exceptions, left out …")


def test_what_is_long_is_capped_while_it_is_built_and_keeps_both_ends():
    told = trace_of(raised(ValueError("m" * 100_000)))
    assert len(told) < TRACEBACK_CHARS + 100
    assert told.startswith("Traceback")
    assert told.endswith("m\n")
    assert "characters left out" in told


def test_a_text_is_what_utf_8_can_hold_and_no_longer_than_wanted():
    assert text_of(ValueError("name \udcff"), 100) == "name \\udcff"
    assert text_of("x" * 1000, 10) == "x" * 10
