"""For the tests of your handlers: `Bus` delivers events to them without Redis, `sample` is OpenAI's own example.

async def test_record():
    async with Bus(billing, state={"client": FakeClient()}) as bus:
        outcome = await bus.deliver("response.completed", sample("response.completed", id="resp_1"))
        assert outcome.is_handled
"""

from .worker.pipeline.outcome_view import Outcome
from .worker.testing.bus import Bus
from .worker.testing.sample import sample
from .worker.testing.stack import Stack

__all__ = ["Bus", "Outcome", "Stack", "sample"]
