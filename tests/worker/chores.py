"""The chores of a process that holds every lease."""

from typing import Final, cast

from hookbus.shared.keys import Keys
from hookbus.worker.duties.chores import Chores


class _All:
    def has(self, keys: Keys) -> bool:
        return True


CHORES: Final = cast(Chores, _All())
