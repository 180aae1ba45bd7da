"""Waits of duties: no sleep outlives a stop."""

import asyncio


async def pause(until: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await until.wait()
    except TimeoutError:
        return
