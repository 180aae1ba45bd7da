import asyncio
import traceback

import pytest

from hookbus.shared.traced import EXCEPTIONS, MEMBERS, TRACEBACK_CHARS, text_of, trace_of


def raised(error: BaseException) -> BaseException:
    """The error with a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def fails_twice(cause: str) -> None:
    """Raise a KeyError while a ValueError is handled: `from` it, from None, or neither."""
    try:
        int("x")
    except ValueError as first:
        first.add_note("a note")
        if cause == "neither":
            raise KeyError("k")  # noqa: B904 - the case under test
        raise KeyError("k") from (first if cause == "from" else None)


@pytest.mark.parametrize("cause", ["from", "None", "neither"])
def test_an_ordinary_error_is_formatted_as_by_python(cause):
    with pytest.raises(KeyError) as caught:
        fails_twice(cause)
    assert trace_of(caught.value) == "".join(traceback.format_exception(caught.value))


def test_errors_of_modules_and_without_text_are_formatted_as_by_python():
    for error in (asyncio.QueueEmpty(), TimeoutError(), SyntaxError("bad", ("page.j2", 3, 7, "{% for x in %}"))):
        assert trace_of(raised(error)) == "".join(traceback.format_exception(error))


async def test_a_group_is_formatted_with_its_members():
    async def fails() -> None:
        raise ValueError("inner")

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fails())
    text = trace_of(caught.value)
    assert "ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)" in text
    assert "  | ValueError: inner" in text
    assert "in fails" in text


def test_a_wide_group_is_cut_to_its_first_members_with_a_count():
    text = trace_of(ExceptionGroup("g", [ValueError(i) for i in range(1000)]))
    assert f"ValueError: {MEMBERS - 1}\n" in text
    assert f"and {1000 - MEMBERS} more" in text


def test_a_long_chain_is_cut_to_its_newest_exceptions():
    last = None
    for number in range(1000):
        error = ValueError(number)
        error.__cause__, last = last, error
    text = trace_of(last)
    assert text.endswith("ValueError: 999\n")
    assert text.count("ValueError") == EXCEPTIONS
    assert text.startswith("… more exceptions, left out …")


def test_a_long_traceback_is_capped_and_keeps_both_ends():
    text = trace_of(raised(ValueError("m" * 100_000)))
    assert len(text) < TRACEBACK_CHARS + 100
    assert text.startswith("Traceback")
    assert text.endswith("m\n")
    assert "characters left out" in text


def test_a_text_is_valid_utf_8_and_capped():
    assert text_of(ValueError("name \udcff"), 100) == "name \\udcff"
    assert text_of("x" * 1000, 10) == "x" * 10
