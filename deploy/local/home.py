"""The folder `.hookbus` of `make up`: data, development secret, and variables for a second terminal.

data/    Valkey's append-only file, kept between runs
secret   a webhook secret for development, made once, readable by its owner alone
env      shell lines to source; written anew by each run
"""

import base64
import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.local.processes import BIN
from hookbus.shared.raw_sources import SECRET_VARIABLE
from hookbus.shared.secret_refs import FILE

REDIS_VARIABLE: Final = "HOOKBUS_REDIS_URL"
LISTEN_VARIABLE: Final = "HOOKBUS_INGEST_LISTEN"
SEND_URL_VARIABLE: Final = "HOOKBUS_WORKER_CONSOLE_SEND_URL"
SEND_SECRET_VARIABLE: Final = "HOOKBUS_WORKER_CONSOLE_SEND_SECRET"  # noqa: S105 - the variable's name
SECRET_BYTES: Final = 32
"""As long as the digest that it keys; the scheme requires 24 to 64."""


class Home:
    """The folder, created if it is missing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.socket = self.folder / "valkey.sock"
        self.env = self.folder / "env"
        self._secret = self.folder / "secret"

    def secret(self) -> str:
        """The development secret; created if there is none."""
        if self._secret.exists() and (stored := self._secret.read_text().strip()):
            self._secret.chmod(0o600)
            return stored
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        _write_private(self._secret, secret + "\n")
        return secret

    @property
    def secret_reference(self) -> str:
        """The development secret as a setting names it."""
        return f"{FILE}{self._secret}"

    def write_env(self, environ: Mapping[str, str], *, has_own_secret: bool) -> None:
        """Write the lines that connect another terminal to this stack, which runs with `environ`."""
        lines = ["# Written by `make up`, good as long as it runs:  source .hookbus/env"]
        settings = sorted((name, text) for name, text in environ.items() if name.startswith("HOOKBUS_"))
        lines += [f"export {name}={shlex.quote(text)}" for name, text in settings]
        if has_own_secret:
            lines.append(f'export {SECRET_VARIABLE}="$(cat {shlex.quote(str(self._secret))})"')
        else:
            lines.append(f"# {SECRET_VARIABLE} came from outside and is not kept here: export it yourself.")
        lines.append(f'export PATH={shlex.quote(str(BIN))}:"$PATH"')
        _write_private(self.env, "\n".join(lines) + "\n")


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
