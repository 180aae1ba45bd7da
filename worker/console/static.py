"""The style sheets, the script and the icon: read once, each at a path with its digest, so that browsers keep it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("static")
PREFIX: Final = "/static/"
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
DIGEST_CHARS: Final = 12


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    path: str
    body: bytes
    content_type: str


def load() -> dict[str, Asset]:
    """All files, by name."""
    return {file.name: _asset(file) for file in sorted(FOLDER.iterdir()) if file.suffix in TYPES}


def by_path(assets: Mapping[str, Asset]) -> dict[str, Asset]:
    """The same, by path."""
    return {asset.path: asset for asset in assets.values()}


def _asset(file: Path) -> Asset:
    body = file.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:DIGEST_CHARS]
    return Asset(f"{PREFIX}{digest}/{file.name}", body, TYPES[file.suffix])
