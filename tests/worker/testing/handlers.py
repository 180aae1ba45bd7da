"""Handlers for the tests of `hookbus.testing`."""

from hookbus import App, Delivery
from hookbus.events import Event

TYPE = "response.completed"


class Handler:
    """Records its calls, and raises what the test set for each attempt, the last one for all others."""

    def __init__(self, *errors: BaseException | None):
        self.errors = list(errors) or [None]
        self.deliveries: list[Delivery] = []

    async def __call__(self, event: Event, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        error = self.errors[0] if len(self.errors) == 1 else self.errors.pop(0)
        if error is not None:
            raise error


def an_app(handler, pattern=TYPE, group="billing", **options) -> App:
    app = App(group)
    app.on(pattern, **options)(handler)
    return app
