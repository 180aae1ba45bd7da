"""Settings whose text lies elsewhere: `file:PATH`, and `credential:NAME` under systemd.

A path may be a folder: all its files count, in order of their names, so that several files are several secrets. Names
that begin with a dot do not: Kubernetes swaps a mounted folder as a whole by renaming its link `..data`
(https://kubernetes.io/docs/concepts/configuration/secret/), to which its other entries lead.
Credentials: https://systemd.io/CREDENTIALS/. They stay as they were when the program started.
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
"""Of one file. Secrets take less than a hundred; whoever names a log by mistake shall hear of it."""
MAX_FILES: Final = 100


class SecretValue(NamedTuple):
    """A word, and where it stands, which never quotes it: it may be a secret."""

    text: Secret
    where: str


def is_reference(text: str) -> bool:
    """Whether a setting only says where its text lies."""
    return text.startswith((FILE, CREDENTIAL))


def read(reference: str, environ: Mapping[str, str] = os.environ) -> list[SecretValue]:
    """The words of what a reference names, at least one. Raises ValueError, which says what is wrong with it."""
    found_at = path(reference, environ)
    try:
        try:
            found = _words(found_at, reference)
        except FileNotFoundError:  # a folder may be swapped while we are in it; gone twice is gone
            found = _words(found_at, reference)
    except OSError as error:
        raise ValueError(f"{reference}: {error.strerror}") from None
    if not found:
        raise ValueError(f"{reference} is empty")
    return found


def files(reference: str, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """The files that a `file:` reference names; none of a credential, whose safety is systemd's business.

    Raises OSError.
    """
    if not reference.startswith(FILE):
        return []
    named = path(reference, environ)
    return _visible(named) if named.is_dir() else [named]


def _visible(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if not file.name.startswith(".") and file.is_file())


def path(reference: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the text lies: what is no reference is a path itself. Raises ValueError."""
    if not reference.startswith(CREDENTIAL):
        return Path(reference.removeprefix(FILE))
    name = reference.removeprefix(CREDENTIAL)
    if not name or "/" in name:
        raise ValueError(f"{reference}: a credential's name is not empty and has no '/'")
    if not environ.get(CREDENTIALS_FOLDER):
        raise ValueError(f"{reference}: ${CREDENTIALS_FOLDER} is not set; the unit needs LoadCredential={name}:PATH")
    return Path(environ[CREDENTIALS_FOLDER], name)


def _words(path: Path, reference: str) -> list[SecretValue]:
    """Raises ValueError, OSError."""
    if not path.is_dir():
        return [SecretValue(Secret(word), reference) for word in _text(path, reference).split()]
    found = _visible(path)
    if len(found) > MAX_FILES:
        raise ValueError(f"{reference}: {len(found)} files; at most {MAX_FILES} are read")
    named = [(file, f"{reference.rstrip('/')}/{file.name}") for file in found]
    return [SecretValue(Secret(word), where) for file, where in named for word in _text(file, where).split()]


def _text(file: Path, where: str) -> str:
    with file.open("rb") as opened:
        content = opened.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{where}: more than {MAX_BYTES // 1024} KiB")
    try:
        return content.decode("utf-8-sig")  # editors of Windows put a mark in front
    except UnicodeDecodeError:
        raise ValueError(f"{where}: not text") from None
