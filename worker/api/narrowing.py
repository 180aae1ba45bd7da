"""Narrows an app or a subscription to some sources: an event of another one is acked without a run."""

from collections.abc import Collection, Mapping

from ...shared import keys
from ...shared.settings import ConfigError
from ...shared.traced import repr_of
from .callsite import caller

Sources = frozenset[str]


def narrowed(where: str, source: str | Collection[str] | None, outer: Sources | None = None) -> Sources | None:
    """The named sources; without any those of the app, `outer`. None means all. Raises ConfigError."""
    if source is None:
        return outer
    names = (source,) if isinstance(source, str) else source
    is_collection = isinstance(names, Collection) and not isinstance(names, bytes | Mapping)
    if not is_collection or not names or not all(isinstance(name, str) and keys.is_name(name) for name in names):
        needed = 'the name of a source of ingest, or several as in source=("openai", "claude")'
        raise ConfigError([f"{where}: source must be {needed}, not {repr_of(source)}{caller()}"])
    found = frozenset(names)
    if outer is not None and not found <= outer:
        others = ", ".join(sorted(found - outer))
        raise ConfigError([f"{where}: source {others} is none of the app's, {', '.join(sorted(outer))}{caller()}"])
    return found
