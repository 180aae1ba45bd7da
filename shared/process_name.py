"""The name of a process in Redis: host, pid, and random digits, so that no other process ever has it."""

import os
import secrets
import socket

from .keys import QUARANTINED, is_name


def new_name() -> str:
    """A name that no other process ever has."""
    host = "".join(char if is_name(char) else "-" for char in socket.gethostname())[:64]
    return f"{host}.{os.getpid()}.{secrets.token_hex(4)}"


def place_of(name: str) -> tuple[str, int]:
    """The host and the pid in a name; pid 0 if another program gave itself that name."""
    host, _, rest = name.removesuffix(QUARANTINED).rpartition(".")[0].rpartition(".")
    return (host, int(rest)) if host and rest.isdecimal() else (name, 0)
