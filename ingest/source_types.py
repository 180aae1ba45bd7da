"""The types of one source: where its bodies name them, which of them it may send, and their names in storage. Pure."""

from collections.abc import Collection

from ..shared import decoding, keys, prefixes, run_names, type_place
from ..shared.patterns import patterns_of
from ..shared.prefixes import Owner
from ..shared.sources import Source
from ..shared.undecodable import UNDECODABLE


class NotAllowedError(Exception):
    """The source may not send a type; the message says why."""


class SourceTypes:
    """The types of one source, whose place among all `owners` its own `owner` has."""

    def __init__(self, source: Source, owner: Owner, owners: Collection[Owner]) -> None:
        self.untyped = owner.prefix + keys.UNTYPED
        self.known: dict[str, str] = {}
        """Type as the sender names it → its name in storage: those that are admitted already."""
        self._owner = owner
        self._foreign = prefixes.foreign(owner, owners)
        self._patterns = frozenset(source.types)
        self._type_at = source.type_at
        self._read_head = type_place.head_reader(source.type_at)

    def head(self, body: bytes, at_ms: int) -> tuple[str, int | None]:
        """The type that a signed body names ("" without a usable one), and the sender's delay in ms."""
        try:
            head = self._read_head(body)
        except UNDECODABLE:
            return "", None
        return head.type, decoding.delay_ms(head.created_at, at_ms)

    def name_of(self, own: str) -> str:
        """The name in storage of a type that the sender names `own`. Raises NotAllowedError.

        That of a verify run is its own with every source; whether there is such a run, `VerifyRuns` knows.
        """
        if run_names.is_run(own):
            return own
        if not keys.is_name(own) or not keys.is_name(self._owner.prefix + own):
            return self._name_of_untyped()
        if self._patterns.isdisjoint(patterns_of(own)):
            raise NotAllowedError(f"{own!r} is none of its types")
        if why := prefixes.refusal(own, self._owner, self._foreign):
            raise NotAllowedError(f"{own!r} {why}")
        return self._owner.prefix + own

    def _name_of_untyped(self) -> str:
        if self._patterns.isdisjoint(patterns_of(keys.UNTYPED)):
            raise NotAllowedError(f"its body names no usable type at {self._type_at!r}, and types does not allow that")
        return self.untyped
