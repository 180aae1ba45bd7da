import asyncio

import pytest

from hookbus.shared.lazy_task import lazy_task


@pytest.mark.needs("python-3.12")  # has eager tasks
def test_a_lazy_task_begins_after_its_creator_has_gone_on_even_where_tasks_are_eager():
    begun = []

    async def run() -> str:
        begun.append(1)
        return "done"

    async def creates() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        assert asyncio.create_task(run()).done(), "the factory works"
        task = lazy_task(run(), "named")
        assert begun == [1]
        assert await task == "done"
        assert task.get_name() == "named"

    asyncio.run(creates())


async def test_a_lazy_task_belongs_to_the_running_loop():
    async def run() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    task = lazy_task(run())
    assert await task is asyncio.get_running_loop()
    assert task.get_loop() is asyncio.get_running_loop()
