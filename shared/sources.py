"""The senders that ingest receives from, and its addresses: also needed by the commands that sign and post events.

Every program reads them from ingest's own settings, so that a secret is configured in one place.
"""

import os
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Self

import msgspec

from . import keys, prefixes, secret_refs, type_place
from .patterns import is_pattern
from .prefixes import Owner
from .secret import MIN_KEY_BYTES, Scheme, Secret, key_bytes
from .secret_refs import SecretValue
from .settings import Common, ConfigError, Listen, load

SECRET_VARIABLE: Final = "OPENAI_WEBHOOK_SECRET"  # noqa: S105 - the variable's name
"""A complete configuration by itself: source `openai` at `/webhooks/openai`. The OpenAI SDKs read it too."""

DEFAULT_LISTEN: Final = (Listen("127.0.0.1", 8080),)


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sender: the path that it posts to and the secrets that it may sign with, several during a rotation.

    A secret in a file is still a reference here: `secrets_of` reads it, at the start and whenever it may have changed.
    """

    path: str
    """Where it posts. Begins with `/`, and must be unique."""
    secrets: Annotated[tuple[Secret, ...], msgspec.Meta(min_length=1)]
    """What it may sign with: secrets, `file:PATH` or `credential:NAME`. All are accepted, as a rotation needs."""
    scheme: Scheme = "openai"
    """`openai`, or `standard` for any other sender. The default of `prefix`, and how a secret without `whsec_` is
    read: as raw bytes (`openai`) or as base64 (`standard`)."""
    prefix: str | None = None
    """Put before its types: `order.paid` is stored, routed and shown as `partner.order.paid`. Default: the name of the
    source and a dot, none for scheme `openai`. A `standard` source without one (`""`) may not send OpenAI's types."""
    type_at: str = type_place.DEFAULT
    """Where its bodies name their type; a dot leads into an object (`data.type`)."""
    types: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("*",)
    """Patterns of the types that it may send, without the prefix; others are refused (403)."""

    def owner(self, name: str) -> Owner:
        """The source, which has this name, as the owner of types."""
        is_openai = self.scheme == "openai"
        default = "" if is_openai else f"{name}."
        return Owner(name, default if self.prefix is None else self.prefix, is_openai)


class Endpoints(Common, frozen=True, kw_only=True):
    """The part of ingest's settings that names its addresses and senders."""

    listen: Annotated[tuple[Listen, ...], msgspec.Meta(min_length=1)] = DEFAULT_LISTEN
    """`host:port`, or a list of them (with commas in a variable and in `--listen`). `:8080` is `0.0.0.0:8080`, all of
    IPv4; `[::]:8080` is all of IPv6 and nothing of IPv4; `["0.0.0.0:8080", "[::]:8080"]` is both. Several processes
    can share the port (SO_REUSEPORT), as a rolling restart needs."""
    sources: dict[str, Source] = {}  # noqa: RUF012 - msgspec copies it
    """Senders, by name. `OPENAI_WEBHOOK_SECRET` alone makes the source `openai` at `/webhooks/openai`."""

    def problems(self) -> list[str]:
        found = super().problems()
        paths: dict[str, str] = {}
        for name, source in self.sources.items():
            found += _source_problems(name, source)
            if source.path in paths:
                found.append(f"ingest.sources.{name}.path: {source.path} is taken by {paths[source.path]}")
            paths.setdefault(source.path, name)
        return found + prefixes.problems(self.owners())

    def owners(self) -> list[Owner]:
        """The sources as owners of types."""
        return [source.owner(name) for name, source in self.sources.items()]

    def required(self) -> Self:
        """These settings, if there is a source. Raises ConfigError if there is none."""
        if not self.sources:
            raise ConfigError([f"ingest.sources: none; set {SECRET_VARIABLE}, or configure [ingest.sources.NAME]"])
        return self


def load_endpoints(file: Path | None, environ: Mapping[str, str] = os.environ) -> Endpoints:
    """Load this part alone, and ignore ingest's other settings. Raises ConfigError with every problem."""
    return load(Endpoints, "ingest", file, environ, extend=lambda raw: complete(raw, environ), is_partial=True)


def complete(raw: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Split the addresses in a text, make lists of single texts, and add the source that a variable alone configures.

    Raises ConfigError if an address or a secret can't be read. This is checked so early that it is reported together
    with all other problems.
    """
    problems = []
    if isinstance(text := raw.get("listen"), str):
        try:
            raw["listen"] = [Listen.parse(address.strip()) for address in text.split(",")]
        except ValueError as error:
            problems.append(f"ingest.listen: {error}")
            del raw["listen"]
    if environ.get(SECRET_VARIABLE, "").strip():
        problems += _variable_problems(environ[SECRET_VARIABLE].split())
        sources = raw.get("sources", {})
        openai = sources.get("openai", {}) if isinstance(sources, dict) else None
        if isinstance(openai, dict):  # anything else is reported by the conversion
            openai = {"path": "/webhooks/openai"} | openai | {"secrets": environ[SECRET_VARIABLE].split()}
            raw["sources"] = sources | {"openai": openai}
    _make_lists(raw.get("sources"))
    problems += _unreadable(raw.get("sources"))
    if problems:
        raise ConfigError(problems)


def _variable_problems(secrets: list[str]) -> list[str]:
    """Problems of the secrets in the variable, under its name; references are checked with the others."""
    plain = [Secret(secret) for secret in secrets if not secret_refs.is_reference(secret)]
    return [f"{SECRET_VARIABLE}: {problem}" for secret in plain for problem in _secret_problems(secret, "openai")]


def plain_path(path: str) -> str:
    """A path without doubled and trailing slashes, and with its dots resolved."""
    return posixpath.normpath("/" + path.lstrip("/"))


def is_path(text: str) -> bool:
    """Whether requests can have exactly this path."""
    return text.startswith("/") and text.isascii() and not set(text) & set(" ?#%")


PATH_RULE: Final = "must begin with '/' and hold no space, '?', '#' or '%'"


def _source_problems(name: str, source: Source) -> list[str]:
    where = f"ingest.sources.{name}"
    found = []
    if not keys.is_name(name):
        found.append(f"{where}: a source name is 1 to 128 of A-Z a-z 0-9 _ . -")
    if not is_path(source.path):
        found.append(f"{where}.path: {PATH_RULE}")
    if not type_place.is_place(source.type_at):
        found.append(f"{where}.type_at: {type_place.RULE}")
    bad = [pattern for pattern in source.types if not is_pattern(pattern)]
    found += [f"{where}.types: {pattern!r} is not a pattern: use an event type, 'prefix.*' or '*'" for pattern in bad]
    try:
        secrets_of(name, source)
    except ConfigError as error:
        found += error.problems
    return found


def secrets_of(name: str, source: Source) -> list[SecretValue]:
    """The present secrets of a source, in order, references resolved. Raises ConfigError with each invalid one."""
    found: list[SecretValue] = []
    problems: list[str] = []
    for i, secret in enumerate(source.secrets):
        where = f"ingest.sources.{name}.secrets[{i}]"
        try:
            words = secret_refs.read(secret) if secret_refs.is_reference(secret) else [SecretValue(secret, where)]
        except ValueError as error:
            problems.append(f"{where}: {error}")
            continue
        found += words
        for word in words:
            place = where if word.where == where else f"{where}: {word.where}"
            problems += [f"{place}: {problem}" for problem in _secret_problems(word.text, source.scheme)]
    if problems:
        raise ConfigError(problems)
    return found


def _secret_problems(secret: Secret, scheme: Scheme) -> list[str]:
    try:
        size = len(key_bytes(secret, scheme))
    except ValueError as error:
        return [str(error)]
    return [] if size >= MIN_KEY_BYTES else [f"a key of {size} bytes; at least {MIN_KEY_BYTES} are needed"]


def _make_lists(sources: Any) -> None:
    """Accept a single text in place of a list of one."""
    for source in sources.values() if isinstance(sources, dict) else ():
        for key in ("secrets", "types") if isinstance(source, dict) else ():
            if isinstance(text := source.get(key), str):
                source[key] = [text]


def _unreadable(sources: Any) -> list[str]:
    """Problems of the references among raw secrets."""
    problems = []
    for name, source in sources.items() if isinstance(sources, dict) else ():
        secrets = source.get("secrets") if isinstance(source, dict) else None
        for i, secret in enumerate(secrets if isinstance(secrets, list) else ()):
            try:
                if isinstance(secret, str) and secret_refs.is_reference(secret):
                    secret_refs.read(secret)
            except ValueError as error:
                problems.append(f"ingest.sources.{name}.secrets[{i}]: {error}")
    return problems
