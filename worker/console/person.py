"""Who sent a request, and what they may do."""

import socket
from dataclasses import dataclass
from typing import Literal

Role = Literal["viewer", "operator"]
Bodies = Literal["all", "operator", "none"]


@dataclass(frozen=True, slots=True)
class Person:
    """`name` is for people and the audit. `has_session`: they logged in here, and can log out."""

    name: str
    role: Role
    has_session: bool = False

    @property
    def is_operator(self) -> bool:
        """Whether they may change something."""
        return self.role == "operator"

    def sees(self, bodies: Bodies) -> bool:
        """Whether they may see what senders sent and handlers said, given who may."""
        return bodies == "all" or (bodies == "operator" and self.is_operator)


def anybody(role: Role) -> Person:
    """Whoever reaches the port, where nobody is asked who they are."""
    return Person(f"console@{socket.gethostname()}", role)
