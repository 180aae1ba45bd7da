"""Which dead letters a command or a page is about."""

import msgspec

from ...shared.patterns import matches
from ...shared.times import LAST_MS
from .. import audit
from ..pipeline.dead_letter import DeadLetterRecord, Kind


class Filter(msgspec.Struct, frozen=True):
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

    def options(self) -> dict[str, list[str]]:
        """The filter as options of a command, for the audit."""
        return audit.options(
            group=self.groups,
            type=self.types,
            reason=self.reasons,
            fingerprint=self.fingerprints,
            id=self.names,
            since_ms=self.since_ms,
            until_ms=self.until_ms,
        )
