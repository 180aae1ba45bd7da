"""Apps whose attempts are spans, and a provider that writes spans to a file, as `opentelemetry-instrument` sets one up.

`PROVIDER` is the text of a `sitecustomize.py`.
"""

import os
import signal
from typing import Final

from hookbus import App, Delivery, Retry, RetryLater
from hookbus.otel import traced

PROVIDER: Final = """
import os
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

provider = TracerProvider(shutdown_on_exit=False)
file = open(os.environ["SPANS"], "a")
exporter = ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + os.linesep)
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
"""

billing = App("billing", around=[traced])
audit = App("audit", around=[traced])


@audit.on("response.*")
@billing.on("response.completed")
async def handle(event: dict) -> None: ...


@billing.on("response.failed", retry=Retry(attempts=3, base=0.05))
async def fail_once(event: dict, delivery: Delivery) -> None:
    if delivery.attempt == 1:
        raise ValueError("not yet")


@billing.on("response.incomplete")
def snooze_once(event: dict, delivery: Delivery) -> None:
    if delivery.attempt == 1:
        raise RetryLater(0)


@billing.on("batch.failed")
def die_once(event: dict) -> None:
    if not os.path.exists(os.environ["DIED"]):
        open(os.environ["DIED"], "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
