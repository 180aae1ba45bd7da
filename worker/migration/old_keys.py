"""The keys of layout 1 that layout 2 lacks, or gives another shape: the one place beside `shared/keys.py` that names
keys."""

from dataclasses import dataclass

from ...shared.keys import PREFIX, Keys


@dataclass(frozen=True, slots=True)
class OldKeys:
    """The old keys of one shard."""

    new: Keys

    def _key(self, rest: str) -> str:
        return f"{PREFIX}{{{self.new.shard}}}:{rest}"

    def paused(self, group: str) -> str:
        """Hash: pattern of types → since when it is paused, Unix ms."""
        return self._key(f"paused:{group}")

    def breakers(self, group: str) -> str:
        """Hash: pattern of a subscription → its open breaker (JSON). In the home shard."""
        return self._key(f"breakers:{group}")

    def consumers(self, group: str) -> str:
        """Hash: consumer → its record (JSON)."""
        return self._key(f"consumers:{group}")

    def started(self, group: str) -> str:
        """Hash: consumer → the suspect that it ran alone: a quarantine process needs no such mark."""
        return self._key(f"started:{group}")
