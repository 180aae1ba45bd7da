"""Who sent a request, and what they may do."""

import socket
from dataclasses import dataclass
from typing import Literal

Role = Literal["viewer", "operator"]


@dataclass(frozen=True, slots=True)
class Person:
    """`name` is for people and the audit."""

    name: str
    role: Role

    @property
    def is_operator(self) -> bool:
        """Whether they may change something."""
        return self.role == "operator"


def anybody(role: Role) -> Person:
    """Whoever reaches the port, where nobody is asked who they are."""
    return Person(f"console@{socket.gethostname()}", role)
