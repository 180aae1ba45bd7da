"""Findings about live processes that disagree: of two releases, or with two configurations. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from ...shared.finding import Finding
from ..inventory.readers import Options
from .processes import Processes, WorkerProcess

ROLLOUT: Final = "nothing during a rollout; otherwise restart those that are behind: hookbus-worker processes"
NAMED: Final = 3
"""Processes named in a finding; the command lists all."""


def findings(processes: Processes) -> Iterator[Finding]:
    """What live processes disagree about. Dead ones no longer matter."""
    workers = [each for each in processes.workers if each.is_alive]
    ingests = [each for each in processes.ingests if each.is_alive]
    versions = _by([(each.version, each.name) for each in workers] + [(each.version, each.name) for each in ingests])
    if len(versions) > 1:
        yield Finding(0, "releases_differ", f"processes of {len(versions)} releases: {_named(versions)}", ROLLOUT)
    settings = _by((each.settings, each.name) for each in ingests)
    if len(settings) > 1:
        problem = f"ingest processes have {len(settings)} configurations: {_named(settings)}"
        yield Finding(0, "settings_differ", problem, ROLLOUT)
    yield from _of_options(workers)


def _of_options(workers: Iterable[WorkerProcess]) -> Iterator[Finding]:
    found: dict[tuple[str, str], set[Options]] = {}
    for worker in workers:
        for group, membership in worker.groups.items():
            for pattern, options in membership.subscriptions.items():
                if options is not None:
                    found.setdefault((group, pattern), set()).add(options)
    for (group, pattern), variants in sorted(found.items(), key=lambda item: item[0]):
        if len(variants) > 1:
            problem = f"workers of {group} run {pattern!r} with different options: {_differences(variants)}"
            yield Finding(0, "options_differ", problem, ROLLOUT)


def _differences(variants: Iterable[Options]) -> str:
    """The options of which there are several values, with these."""
    values = {name: sorted({str(getattr(each, name)) for each in variants}) for name in Options.__struct_fields__}
    return ", ".join(f"{name} {' and '.join(found)}" for name, found in values.items() if len(found) > 1)


def _by(named: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Value → the names of the processes that have it."""
    found: dict[str, list[str]] = {}
    for value, name in named:
        found.setdefault(value, []).append(name)
    return found


def _named(found: Mapping[str, list[str]]) -> str:
    parts = []
    for value, names in sorted(found.items()):
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        parts.append(f"{value or 'unknown'} ({', '.join(names[:NAMED])}{more})")
    return ", ".join(parts)
