"""On which event loop tests run."""

import asyncio

import pytest
import uvloop


@pytest.fixture
async def loop():
    return asyncio.get_running_loop()


async def test_tests_and_fixtures_run_on_the_loop_of_the_programs(loop):
    assert asyncio.get_running_loop() is loop
    assert isinstance(loop, uvloop.Loop)


@pytest.mark.both_loops
async def test_what_tools_use_is_tried_on_both(request):
    is_ours = isinstance(asyncio.get_running_loop(), uvloop.Loop)
    assert request.node.callspec.id == ("uvloop" if is_ours else "asyncio")
