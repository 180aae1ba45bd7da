"""The options that select dead letters, once for all commands that take them."""

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec, TypeVar, get_args

import typer

from ...shared import choices, shell
from ...shared.clock import now_ms
from ...shared.times import LAST_MS
from ..dlq.filter import Filter
from ..pipeline.outcome import Reason
from ..retries import waiting
from .options import Config, moment

REASONS: Final[tuple[str, ...]] = get_args(Reason)
AHEAD_MS: Final = 3_600_000
"""How far the clock of another machine may be ahead of ours: letters of that time exist (a guess)."""
_FINGERPRINT: Final = re.compile(r"[0-9a-fA-F]{10}")

Groups = Annotated[list[str] | None, typer.Option("--group", help="Only this group (repeatable, as all filters).")]
Types = Annotated[list[str] | None, typer.Option("--type", help="Only this type, or 'prefix.*'.")]
Reasons = Annotated[
    list[str] | None, choices.repeatable("--reason", lambda: REASONS, f"Only this reason: {', '.join(REASONS)}.")
]
Fingerprints = Annotated[list[str] | None, typer.Option("--fingerprint", help="Only this fingerprint; see dlq groups.")]
Since = Annotated[str, typer.Option(help="Only those dead-lettered since: 15m, 2h, 3d ago, or an ISO time (UTC).")]
Until = Annotated[str, typer.Option(help="Only those dead-lettered until then.")]
Names = Annotated[list[str] | None, typer.Option("--id", help="Only this one, by its webhook-id.")]
States = Annotated[
    list[str] | None,
    choices.repeatable(
        "--state", lambda: waiting.STATES, "Only what is parked, snoozed by its handler, or queued for a worker."
    ),
]
Errors = Annotated[list[str] | None, typer.Option("--error", help="Only this class of the last error.")]
AttemptSince = Annotated[str, typer.Option(help="Only those whose last attempt ended since: 15m ago, or an ISO time.")]
AttemptUntil = Annotated[str, typer.Option(help="Only those whose last attempt ended until then.")]


def as_options(criteria: Mapping[str, Sequence[str]], everything: str = "--all") -> str:
    """A filter as the options that make it, quoted for a shell; `everything` when it selects all."""
    words = [word for name, values in criteria.items() for value in values for word in (f"--{name}", value)]
    return shell.command(words) or everything


Selected = TypeVar("Selected")
Rest = ParamSpec("Rest")


def by(
    select: Callable[..., Selected],
) -> Callable[[Callable[Concatenate[Selected, Rest], None]], Callable[..., None]]:
    """A decorator for a command: it takes the options of `select`, and gets first what that makes of them. Both take
    `config`: times are by Redis' clock."""
    options = {name: each for name, each in inspect.signature(select).parameters.items() if name != "config"}

    def decorate(command: Callable[Concatenate[Selected, Rest], None]) -> Callable[..., None]:
        own = list(inspect.signature(command).parameters.values())[1:]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            selected = select(config=given["config"], **{name: given.pop(name) for name in options})
            command(selected, **given)  # type: ignore[call-arg]

        run.__signature__ = inspect.Signature([*options.values(), *own])  # type: ignore[attr-defined]
        return run

    return decorate


def window(since: str, until: str, config: Path | None) -> tuple[int, int]:
    """The times of two options, Unix ms. Raises typer.BadParameter also where nothing can lie between them, and as
    `options.moment` does."""
    since_ms, until_ms = moment(config, "--since", since, 0), moment(config, "--until", until, LAST_MS)
    if since_ms > until_ms:
        raise typer.BadParameter("it is later than --until", param_hint="--since")
    if since_ms > now_ms() + AHEAD_MS:
        raise typer.BadParameter("it has not come yet", param_hint="--since")
    return since_ms, until_ms


def letters(
    group: Groups = None,
    type_: Types = None,
    reason: Reasons = None,
    fingerprint: Fingerprints = None,
    since: Since = "",
    until: Until = "",
    id_: Names = None,
    config: Config = None,
) -> Filter:
    """The filter that these options describe. Raises typer.BadParameter."""
    for text in fingerprint or ():
        if not _FINGERPRINT.fullmatch(text):
            problem = f"{text!r} is no fingerprint: 10 hex digits, as dlq groups has them"
            raise typer.BadParameter(problem, param_hint="--fingerprint")
    since_ms, until_ms = window(since, until, config)
    return Filter(
        groups=tuple(group or ()),
        types=tuple(type_ or ()),
        reasons=tuple(reason or ()),
        fingerprints=tuple(text.lower() for text in fingerprint or ()),
        names=tuple(id_ or ()),
        since_ms=since_ms,
        until_ms=until_ms,
    )


def retries(
    group: Groups = None,
    type_: Types = None,
    state: States = None,
    error: Errors = None,
    since: AttemptSince = "",
    until: AttemptUntil = "",
    id_: Names = None,
    config: Config = None,
) -> waiting.Filter:
    """The filter of waiting deliveries that these options describe. Raises typer.BadParameter."""
    since_ms, until_ms = window(since, until, config)
    return waiting.Filter(
        groups=tuple(group or ()),
        types=tuple(type_ or ()),
        states=tuple(state or ()),
        errors=tuple(error or ()),
        names=tuple(id_ or ()),
        since_ms=since_ms,
        until_ms=until_ms,
    )


def causes(
    group: Groups = None,
    type_: Types = None,
    reason: Reasons = None,
    fingerprint: Fingerprints = None,
    since: Since = "",
    until: Until = "",
    config: Config = None,
) -> Filter:
    """As `letters`, for a command that shows no single letter."""
    return letters(group, type_, reason, fingerprint, since, until, config=config)
