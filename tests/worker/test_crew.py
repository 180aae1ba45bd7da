import asyncio

import pytest

from hookbus.worker.crew import CrashError, Crew
from tests.wait import until


async def _forever() -> None:
    await asyncio.Event().wait()


async def _fails() -> None:
    raise ValueError("no")


async def _is_cancelled() -> None:
    raise asyncio.CancelledError


@pytest.fixture
async def crew():
    tasks = Crew()
    yield tasks
    tasks.cancel()


async def test_the_crew_is_finished_when_every_duty_has_ended(crew):
    stopping = asyncio.Event()
    for name in ("one", "two"):
        crew.start(_until(stopping), name)
    crew.start_background(_forever(), "writer")
    finished = asyncio.create_task(crew.finished())
    await asyncio.sleep(0)
    assert not finished.done()
    stopping.set()
    await asyncio.wait_for(finished, 5)


async def _until(stopping: asyncio.Event) -> None:
    await stopping.wait()


@pytest.mark.parametrize(
    ("end", "message"),
    [(_fails, "^Reader failed: ValueError: no$"), (_is_cancelled, "Reader was cancelled from outside")],
)
async def test_a_duty_that_ends_otherwise_is_a_crash_at_once_although_the_others_run(crew, end, message):
    crew.start(_forever(), "other")
    crew.start(end(), "Reader")
    with pytest.raises(CrashError, match=message):
        await asyncio.wait_for(crew.finished(), 5)


@pytest.mark.parametrize("end", [_fails, _is_cancelled, lambda: asyncio.sleep(0)])
async def test_a_background_task_must_not_return(crew, end):
    crew.start(_forever(), "other")
    crew.start_background(end(), "OutcomeWriter")
    with pytest.raises(CrashError, match="OutcomeWriter"):
        await asyncio.wait_for(crew.finished(), 5)


async def test_the_cause_is_what_the_duty_raised(crew):
    crew.start(_fails(), "Reader")
    with pytest.raises(CrashError) as caught:
        await crew.finished()
    assert repr(caught.value.__cause__) == "ValueError('no')"


async def test_a_cancelled_crew_stops_all_duties_without_a_crash():
    crew = Crew()
    crew.start(_forever(), "Reader")
    crew.start_background(_forever(), "OutcomeWriter")
    tasks = [task for task in asyncio.all_tasks() if task.get_name() in ("Reader", "OutcomeWriter")]
    crew.cancel()
    await until(lambda: [task.cancelled() for task in tasks] == [True, True])


async def test_the_end_stops_background_tasks_and_tells_of_one_that_crashed_after_the_duties():
    crew, failing = Crew(), asyncio.Event()

    async def fails() -> None:
        await failing.wait()
        raise ValueError("no")

    crew.start_background(_forever(), "Quarantine")
    crew.start_background(fails(), "OutcomeWriter")
    crew.start(asyncio.sleep(0), "Reader")
    await crew.finished()
    failing.set()
    await asyncio.sleep(0)
    with pytest.raises(CrashError, match=r"^failed while stopping: ValueError: no$"):
        await crew.end()
    assert asyncio.all_tasks() == {asyncio.current_task()}
