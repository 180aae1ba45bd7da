"""What a handler returns: nothing, or what has yet to run because a wrapper does not await it."""

import functools

import pytest

from hookbus.worker.pipeline.outcome import Ack
from tests.worker.pipeline.test_process import outcome_of, raises


async def test_an_async_handler_behind_a_plain_wrapper_runs():
    ran = []

    async def handler(event):
        ran.append(event)

    def bare(event):
        return handler(event)

    @functools.wraps(handler)
    def named(event):
        return handler(event)

    for wrapper in (bare, named):
        assert await outcome_of(wrapper) == Ack()
    assert len(ran) == 2


async def test_a_plain_wrapper_that_looks_async_and_has_done_the_work_is_not_called_twice():
    async def handler(event): ...

    @functools.wraps(handler)
    def wrapper(event): ...

    assert await outcome_of(wrapper) == Ack()


async def returns_a_coroutine(event):
    return raises(event)


async def returns_a_coroutine_of_a_coroutine(event):
    return returns_a_coroutine(event)


async def returns_a_generator(event):
    return (each for each in "ab")


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (returns_a_coroutine, "loop"),
        (returns_a_coroutine_of_a_coroutine, "loop"),
        (returns_a_generator, "which never ran"),
    ],
)
async def test_what_an_async_wrapper_without_await_returns_runs_or_has_failed(handler, message):
    assert message in (await outcome_of(handler)).cause.message


async def test_an_object_that_gives_itself_when_awaited_is_ignored():
    class Pool:
        def __await__(self):
            return self
            yield

    async def gives(event):
        return Pool()

    assert await outcome_of(gives) == await outcome_of(lambda event: Pool()) == Ack()
