"""The names of the sources in the configuration, for programs that may read neither their secrets nor the rest."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .raw_sources import SECRET_VARIABLE
from .settings import Common, ConfigError, load


class _Named(Common, frozen=True, kw_only=True):
    sources: dict[str, Any] = {}  # noqa: RUF012 - msgspec copies it


def configured(file: Path | None, environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """The names in `[ingest.sources]`; none without that section, or where it can't be read."""
    try:
        names = frozenset(load(_Named, "ingest", file, environ, is_partial=True).sources)
    except ConfigError:
        return frozenset()
    return names | {"openai"} if names and environ.get(SECRET_VARIABLE) else names
