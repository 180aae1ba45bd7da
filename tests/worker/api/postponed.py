"""Handlers of a module whose annotations are text, with names that only a type checker imports."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from hookbus.events import ResponseCompleted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hookbus import Delivery
    from hookbus.events import BatchCompleted

    P = ParamSpec("P")
    T = TypeVar("T")


def counted(handler: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    @functools.wraps(handler)
    async def wrapper(*args: P.args, **options: P.kwargs) -> T:
        return await handler(*args, **options)

    return wrapper


async def typed(event: ResponseCompleted, delivery: Delivery) -> None: ...


@counted
async def decorated(event: ResponseCompleted, delivery: Delivery, retries: Callable[[], int] | None = None) -> None: ...


class Service:
    async def method(self, event: ResponseCompleted, delivery: Delivery) -> Awaitable[None] | None: ...


async def unknown(event: BatchCompleted, delivery: Delivery) -> None: ...
