"""One process as a consumer."""

import os
import secrets
import socket

from ..shared import keys


def new_name() -> str:
    """A name that no other process ever has: host, pid, and random digits."""
    host = "".join(char if keys.is_name(char) else "-" for char in socket.gethostname())[:64]
    return f"{host}.{os.getpid()}.{secrets.token_hex(4)}"
