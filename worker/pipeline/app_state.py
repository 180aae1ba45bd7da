"""What the lifespan of one `App` yielded in this process; its handlers receive it as `Delivery.state`."""

from typing import Any

from msgspec import structs

from ..api.app import App
from ..api.delivery import NO_STATE, Delivery


class AppState:
    """`worker.lifespans` sets the value before the first delivery."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.value: Any = NO_STATE

    def given_to(self, delivery: Delivery) -> Delivery:
        """The delivery with the state."""
        return structs.replace(delivery, state=self.value)
