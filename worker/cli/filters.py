"""The options that select dead letters, once for all commands that take them."""

import functools
import inspect
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Concatenate, Final, ParamSpec, TypeVar, get_args

import typer

from ...shared.times import LAST_MS, moment
from ..dlq.filter import Filter
from ..pipeline.outcome import Reason
from ..retries import waiting

REASONS: Final[tuple[str, ...]] = get_args(Reason)

Groups = Annotated[list[str] | None, typer.Option("--group", help="Only this group (repeatable, as all filters).")]
Types = Annotated[list[str] | None, typer.Option("--type", help="Only this type, or 'prefix.*'.")]
Reasons = Annotated[list[str] | None, typer.Option("--reason", help=f"Only this reason: {', '.join(REASONS)}.")]
Fingerprints = Annotated[list[str] | None, typer.Option("--fingerprint", help="Only this fingerprint; see dlq groups.")]
Since = Annotated[str, typer.Option(help="Only those dead-lettered since: 15m, 2h, 3d ago, or an ISO time (UTC).")]
Until = Annotated[str, typer.Option(help="Only those dead-lettered until then.")]
Names = Annotated[list[str] | None, typer.Option("--id", help="Only this one, by its webhook-id.")]
States = Annotated[
    list[str] | None,
    typer.Option("--state", help="Only what is parked, snoozed by its handler, or queued for a worker."),
]
Errors = Annotated[list[str] | None, typer.Option("--error", help="Only this class of the last error.")]
AttemptSince = Annotated[str, typer.Option(help="Only those whose last attempt ended since: 15m ago, or an ISO time.")]
AttemptUntil = Annotated[str, typer.Option(help="Only those whose last attempt ended until then.")]


def as_options(criteria: Mapping[str, Sequence[str]], everything: str = "--all") -> str:
    """A filter as the options that make it, quoted for a shell; `everything` when it selects all."""
    words = [word for name, values in criteria.items() for value in values for word in (f"--{name}", value)]
    return shlex.join(words) or everything


Selected = TypeVar("Selected")
Rest = ParamSpec("Rest")


def by(
    select: Callable[..., Selected],
) -> Callable[[Callable[Concatenate[Selected, Rest], None]], Callable[..., None]]:
    """A decorator for a command: it takes the options of `select`, and gets first what that makes of them."""
    options = inspect.signature(select).parameters

    def decorate(command: Callable[Concatenate[Selected, Rest], None]) -> Callable[..., None]:
        own = list(inspect.signature(command).parameters.values())[1:]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            selected = select(**{name: given.pop(name) for name in options})
            command(selected, **given)  # type: ignore[call-arg]

        run.__signature__ = inspect.Signature([*options.values(), *own])  # type: ignore[attr-defined]
        return run

    return decorate


def letters(
    group: Groups = None,
    type_: Types = None,
    reason: Reasons = None,
    fingerprint: Fingerprints = None,
    since: Since = "",
    until: Until = "",
    id_: Names = None,
) -> Filter:
    """The filter that these options describe. Raises typer.BadParameter."""
    for text in reason or ():
        if text not in REASONS:
            raise typer.BadParameter(f"{text!r} is none of {', '.join(REASONS)}", param_hint="--reason")
    return Filter(
        groups=tuple(group or ()),
        types=tuple(type_ or ()),
        reasons=tuple(reason or ()),
        fingerprints=tuple(text.lower() for text in fingerprint or ()),
        names=tuple(id_ or ()),
        since_ms=moment("--since", since, 0),
        until_ms=moment("--until", until, LAST_MS),
    )


def retries(
    group: Groups = None,
    type_: Types = None,
    state: States = None,
    error: Errors = None,
    since: AttemptSince = "",
    until: AttemptUntil = "",
    id_: Names = None,
) -> waiting.Filter:
    """The filter of waiting deliveries that these options describe. Raises typer.BadParameter."""
    for text in state or ():
        if text not in waiting.STATES:
            raise typer.BadParameter(f"{text!r} is none of {', '.join(waiting.STATES)}", param_hint="--state")
    return waiting.Filter(
        groups=tuple(group or ()),
        types=tuple(type_ or ()),
        states=tuple(state or ()),
        errors=tuple(error or ()),
        names=tuple(id_ or ()),
        since_ms=moment("--since", since, 0),
        until_ms=moment("--until", until, LAST_MS),
    )


def causes(
    group: Groups = None,
    type_: Types = None,
    reason: Reasons = None,
    fingerprint: Fingerprints = None,
    since: Since = "",
    until: Until = "",
) -> Filter:
    """As `letters`, for a command that shows no single letter."""
    return letters(group, type_, reason, fingerprint, since, until)
