"""References in settings: `file:PATH`, and `credential:NAME` under systemd, in place of the text itself.

A path may be a folder: all its files are read, in order of their names, so that several files are several secrets.
Names that begin with a dot are skipped: Kubernetes swaps a mounted folder as a whole by renaming its link `..data`
(https://kubernetes.io/docs/concepts/configuration/secret/), to which its other entries point.
Credentials: https://systemd.io/CREDENTIALS/. They do not change while the program runs.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from .secret import Secret

FILE: Final = "file:"
CREDENTIAL: Final = "credential:"
CREDENTIALS_FOLDER: Final = "CREDENTIALS_DIRECTORY"

MAX_BYTES: Final = 64 * 1024
"""Largest file. Secrets take less than a hundred bytes; a log file named by mistake is reported."""
MAX_FILES: Final = 100


class SecretValue(NamedTuple):
    """A value read from a reference, and its place. `where` never quotes the value, which may be a secret."""

    text: Secret
    where: str


def is_reference(text: str) -> bool:
    """Whether the text of a setting is a reference."""
    return text.startswith((FILE, CREDENTIAL))


def read(reference: str, environ: Mapping[str, str] = os.environ) -> list[SecretValue]:
    """The values behind a reference, at least one; blanks separate them. Raises ValueError that names the problem."""
    target = path(reference, environ)
    try:
        try:
            values = _values(target, reference)
        except FileNotFoundError:  # a folder may be swapped during the read; a file missing twice is missing
            values = _values(target, reference)
    except OSError as error:
        raise ValueError(f"{reference}: {error.strerror}") from None
    if not values:
        raise ValueError(f"{reference} is empty")
    return values


def first(text: str) -> str:
    """The first value behind a reference; any other text is the value itself. Raises ValueError."""
    return read(text)[0].text if is_reference(text) else text


def files(reference: str, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """The files that a `file:` reference names; none for a credential, which systemd protects.

    Raises OSError.
    """
    if not reference.startswith(FILE):
        return []
    named = path(reference, environ)
    return _visible(named) if named.is_dir() else [named]


def _visible(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if not file.name.startswith(".") and file.is_file())


def path(reference: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The path of a reference; any other text is a path itself. Raises ValueError."""
    if not reference.startswith(CREDENTIAL):
        return Path(reference.removeprefix(FILE))
    name = reference.removeprefix(CREDENTIAL)
    if not name or "/" in name:
        raise ValueError(f"{reference}: a credential's name is not empty and has no '/'")
    if not environ.get(CREDENTIALS_FOLDER):
        raise ValueError(f"{reference}: ${CREDENTIALS_FOLDER} is not set; the unit needs LoadCredential={name}:PATH")
    return Path(environ[CREDENTIALS_FOLDER], name)


def _values(path: Path, reference: str) -> list[SecretValue]:
    """Raises ValueError, OSError."""
    if not path.is_dir():
        return [SecretValue(Secret(word), reference) for word in _text(path, reference).split()]
    visible = _visible(path)
    if len(visible) > MAX_FILES:
        raise ValueError(f"{reference}: {len(visible)} files; at most {MAX_FILES} are read")
    named = [(file, f"{reference.rstrip('/')}/{file.name}") for file in visible]
    return [SecretValue(Secret(word), where) for file, where in named for word in _text(file, where).split()]


def _text(file: Path, where: str) -> str:
    with file.open("rb") as opened:
        content = opened.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{where}: more than {MAX_BYTES // 1024} KiB")
    try:
        return content.decode("utf-8-sig")  # Windows editors write a byte order mark
    except UnicodeDecodeError:
        raise ValueError(f"{where}: not text") from None
