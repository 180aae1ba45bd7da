import asyncio
import contextvars
import threading

import pytest

from hookbus.worker.pipeline.threads import Threads
from tests.wait import until

about: contextvars.ContextVar[str] = contextvars.ContextVar("about", default="nobody")


@pytest.fixture
def threads():
    made = Threads(1, "test")
    yield made
    made.close()


def never(_future) -> None:
    raise AssertionError("it did not outlive its caller")


async def test_a_call_has_the_context_of_its_caller_and_none_of_another(threads):
    def change() -> str:
        before = about.get()
        about.set("changed")
        return before

    about.set("me")
    assert [await threads.run(change, (), never) for _ in range(2)] == ["me", "me"]


@pytest.mark.parametrize("error", [ValueError("x"), StopIteration(), SystemExit(1)], ids=repr)
async def test_any_error_is_raised_where_it_is_awaited(threads, error):
    def fail() -> None:
        raise error

    async def caught() -> BaseException:
        try:
            await threads.run(fail, (), never)
        except BaseException as raised:
            return raised.__cause__ or raised

    assert await caught() is error


async def test_when_the_caller_is_cancelled_a_running_call_is_handed_over_and_a_waiting_one_never_begins(threads):
    go, began, outlived = threading.Event(), [], []

    def wait(name: str) -> None:
        began.append(name)
        go.wait(10)

    running, waiting = (asyncio.create_task(threads.run(wait, (name,), outlived.append)) for name in "ab")
    await until(lambda: began)
    for task in (waiting, running):
        task.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    assert len(outlived) == 1
    go.set()
    await outlived[0]
    assert await threads.run(str, (5,), never) == "5"
    assert began == ["a"]
