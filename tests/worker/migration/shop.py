"""The apps whose data are in `tests/data/layout_1.redis`. Nothing fails any more."""

from hookbus import App, Breaker, Delivery, Retry
from tests.end_to_end.handlers import record

YEARS_S = 1e9
"""The data are older than any limit of time."""

billing = App("billing")
audit = App("audit")


@billing.on("response.completed", concurrency=20, timeout=50, retry=Retry(within=YEARS_S))
@billing.on("batch.*", concurrency=2, retry=Retry(within=YEARS_S), breaker=Breaker(3, 3600, 3600))
@billing.on("response.failed")
@audit.on("*")
async def handle(event: dict, delivery: Delivery) -> None:
    record(delivery)
