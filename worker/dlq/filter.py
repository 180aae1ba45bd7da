"""Which dead letters a command or a page is about."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...shared.patterns import matches
from ...shared.times import LAST_MS, iso
from ..pipeline.dead_letter import DeadLetterRecord, Kind


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects letters that match any value of every given field. `types` are patterns; times in Unix ms, inclusive."""

    groups: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    since_ms: int = 0
    until_ms: int = LAST_MS

    @property
    def is_by_kind(self) -> bool:
        """Whether the filter selects by fingerprint, type or reason."""
        return bool(self.types or self.reasons or self.fingerprints)

    def covers_kind(self, fingerprint: str, kind: Kind | DeadLetterRecord) -> bool:
        """Whether letters of that fingerprint match, apart from group, name and time."""
        return (
            (not self.types or any(matches(pattern, kind.type) for pattern in self.types))
            and (not self.reasons or kind.reason in self.reasons)
            and (not self.fingerprints or fingerprint in self.fingerprints)
        )

    def options(self) -> str:
        """The filter as options of the command line; `--all` when it selects everything."""
        named = {
            "--group": self.groups,
            "--type": self.types,
            "--reason": self.reasons,
            "--fingerprint": self.fingerprints,
            "--id": self.names,
        }
        return as_options(named, self.since_ms, self.until_ms) or "--all"


def as_options(named: Mapping[str, Sequence[str]], since_ms: int, until_ms: int) -> str:
    """Options of the command line, quoted for a shell; those of a time only if it limits anything."""
    times = {
        "--since": (iso(since_ms),) if since_ms else (),
        "--until": (iso(until_ms),) if until_ms < LAST_MS else (),
    }
    return shlex.join(
        text for option, values in {**named, **times}.items() for value in values for text in (option, value)
    )
