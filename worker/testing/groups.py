"""The groups of a `Bus`: a worker's, with the state and the timeout of the test in the place of the apps' own."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from ..api.app import App
from ..api.retry import is_number
from ..pipeline.app_state import AppState
from ..pipeline.routes import Group, build
from ..settings import WorkerSettings

LIFESPANS: Final = object()
"""In the place of a state: what the lifespans yield."""


def groups_of(apps: App | Iterable[App], state: Any, timeout: float | None) -> dict[str, Group]:
    """The groups by name. Raises ConfigError, and ValueError for what are no apps."""
    given = [apps] if isinstance(apps, App) else list(apps) if isinstance(apps, Iterable) else []
    if not given or not all(isinstance(app, App) for app in given):
        raise ValueError(f"Bus: expected an App, or several, not {apps!r}")
    if timeout is not None and not (is_number(timeout) and timeout > 0):
        raise ValueError(f"Bus(timeout={timeout!r}): a positive number of seconds is needed")
    groups = build(given, WorkerSettings().handler_timeout_s)
    if state is not LIFESPANS:
        if not any(app.lifespan for app in given):
            raise ValueError("Bus(state=...): none of these apps has a lifespan: a worker's state would be empty")
        given_state = AppState(given[0])
        given_state.value = state
        groups = [replace(_changed(group, state=given_state), app_states=()) for group in groups]
    if timeout is not None:
        groups = [_changed(group, timeout_s=timeout) for group in groups]
    return {group.name: group for group in groups}


def _changed(group: Group, **changes: Any) -> Group:
    return replace(group, routes=tuple(replace(route, **changes) for route in group.routes))
