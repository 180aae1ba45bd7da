"""Ten subscriptions without events."""

from hookbus import App

TYPES = (
    "response.completed",
    "response.failed",
    "response.cancelled",
    "response.incomplete",
    "batch.completed",
    "batch.failed",
    "eval.run.succeeded",
    "eval.run.failed",
    "fine_tuning.job.succeeded",
    "realtime.call.incoming",
)


async def handle(event: dict) -> None:
    """Never called."""


def subscribed(app: App) -> App:
    """The app, with a subscription to each type."""
    for name in TYPES:
        app.on(name)(handle)
    return app


app = subscribed(App("idle"))
