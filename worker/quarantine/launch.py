"""How this program was started: what a quarantine process needs to load the same apps in the same way.

Recorded before the apps are imported, since their modules may change the import path, the folder and the environment.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_BOOT: Final = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from hookbus._start import quarantine
quarantine()
"""
_OF_SYSTEMD: Final = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
"""Addressed to the worker: a child that reported itself to systemd would speak for the whole unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """The targets and options of `hookbus-worker run`, and the state of the interpreter at its start."""

    targets: tuple[str, ...]
    only: str
    config: Path | None
    import_path: tuple[str, ...]
    folder: str
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def now(cls, targets: Sequence[str], only: str = "", config: Path | None = None) -> "Launch":
        """Record the start of this program."""
        environment = {name: value for name, value in os.environ.items() if name not in _OF_SYSTEMD}
        return cls(
            targets=tuple(targets),
            only=only,
            config=config,
            import_path=tuple(sys.path),
            folder=os.getcwd(),
            environment=environment,
        )

    def start(self, descriptor: int) -> "subprocess.Popen[bytes]":
        """Start a child that inherits a descriptor. Raises OSError.

        It leads a session of its own: Ctrl-C in a terminal reaches the worker alone, which then ends its children.
        """
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # as multiprocessing does
        command = [sys.executable, *flags, "-P", "-c", _BOOT, json.dumps(self.import_path)]
        options = [str(descriptor), str(os.getpid()), "" if self.config is None else str(self.config), self.only]
        return subprocess.Popen(  # noqa: S603 - this interpreter, and arguments of the operator
            [*command, *options, *self.targets],
            stdin=subprocess.DEVNULL,
            pass_fds=(descriptor,),
            cwd=self.folder,
            env=self.environment,
            start_new_session=True,
        )
