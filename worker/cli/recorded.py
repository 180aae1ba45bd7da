"""The action of a command for the audit: who runs it, and why."""

import os
import pwd
import socket
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Annotated

import typer

from ...shared.connection import Redis
from .. import audit
from ..audit import Action, Progress

Why = Annotated[str, typer.Option("--why", help="The reason; hookbus-worker actions shows it.", show_default=False)]


def who(environ: Mapping[str, str] = os.environ) -> str:
    """The person behind sudo, else the user, at this host."""
    return f"{environ.get('SUDO_USER') or environ.get('USER') or _login()}@{socket.gethostname()}"


def _login() -> str:
    """The user of the process; a container's may have no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid{os.getuid()}"


def action(verb: str, criteria: Mapping[str, list[str]], why: str, matching: int | None = None) -> Action:
    """The action of a command that this process runs."""
    return Action(verb=verb, who=who(), criteria=dict(criteria), matching=matching, why=why)


def recorded(client: Redis, started: Action) -> AbstractAsyncContextManager[Progress]:
    """Record an action that the body does. Raises FailedError or ConfigError when that is impossible."""
    return audit.recorded(client, started, warn)


def warn(text: str) -> None:
    """Print what could not be recorded."""
    print(text, file=sys.stderr)
