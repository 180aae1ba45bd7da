"""The senders that ingest receives from, and its addresses: also needed by the commands that sign and post events.

Every program reads them from ingest's own settings, so that a secret is configured in one place.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Self

import msgspec

from . import keys, paths, prefixes, public_key, secret_refs, signing_keys, type_place
from .header_names import Headers
from .listen import Listen
from .patterns import is_pattern
from .prefixes import Owner
from .raw_sources import SECRET_VARIABLE, complete
from .secret import ENCODINGS, Encoding, Scheme, Secret, key_bytes, key_problem
from .secret_refs import SecretValue
from .settings import Common, ConfigError, load
from .signing_keys import Use

DEFAULT_LISTEN: Final = (Listen("127.0.0.1", 8080, "ingest.listen"),)


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sender: the path that it posts to and the secrets that it may sign with, several during a rotation.

    A secret in a file is still a reference here: `secrets_of` reads it, at the start and whenever it may have changed.
    """

    path: str
    """Where it posts. Begins with `/`, and must be unique."""
    secrets: tuple[Secret, ...] = ()
    """What it may sign with: secrets, `file:PATH` or `credential:NAME`. All are accepted, as a rotation needs. Without
    `public_keys` there must be one."""
    public_keys: Annotated[tuple[str, ...], msgspec.Meta(max_length=public_key.MAX_KEYS)] = ()
    """Keys of a sender that signs asymmetrically (`v1a`): `whpk_…`, four at most. They need the extra `ed25519`."""
    scheme: Scheme = "openai"
    """`openai`, or `standard` for any other sender: decides the defaults of `prefix` and `encoding`."""
    encoding: Encoding | None = None
    """How a secret without `whsec_` is read: as `base64` or as `raw` bytes. Default: `raw` for scheme `openai`, else
    `base64`."""
    headers: Headers = "webhook"
    """How the names of its three headers begin: `webhook-id` or `svix-id`, and so on."""
    prefix: str | None = None
    """Put before its types: `order.paid` is stored, routed and shown as `partner.order.paid`. Default: the name of the
    source and a dot, none for scheme `openai`. A `standard` source without one (`""`) may not send OpenAI's types."""
    type_at: str = type_place.DEFAULT
    """Where its bodies name their type; a dot leads into an object (`data.type`)."""
    types: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("*",)
    """Patterns of the types that it may send, without the prefix; others are refused (403)."""

    @property
    def key_encoding(self) -> Encoding:
        """How a secret without `whsec_` is read."""
        return self.encoding or ENCODINGS[self.scheme]

    def owner(self, name: str) -> Owner:
        """The source, which has this name, as the owner of types."""
        is_openai = self.scheme == "openai"
        if self.prefix is not None:
            return Owner(name, self.prefix, is_openai)
        return Owner(name, "" if is_openai else f"{name}.", is_openai, is_default=True)


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
        by_path: dict[str, str] = {}
        secrets: dict[str, list[SecretValue]] = {}
        for name, source in self.sources.items():
            found += _source_problems(name, source)
            try:
                secrets[name] = secrets_of(name, source)
            except ConfigError as error:
                found += error.problems
            taken_by = by_path.setdefault(paths.plain(source.path), name)
            if taken_by != name:
                found.append(f"ingest.sources.{name}.path: {source.path} is the path of ingest.sources.{taken_by}")
        found += prefixes.problems(self.owners()) or self._unsendable()
        return found or list(map(signing_keys.problem, signing_keys.forgeable(key_uses(self.sources, secrets))))

    def owners(self) -> list[Owner]:
        """The sources as owners of types."""
        return [source.owner(name) for name, source in self.sources.items()]

    def _unsendable(self) -> list[str]:
        """Problems of patterns whose types their source may never send."""
        owners = self.owners()
        return [
            f"ingest.sources.{owner.name}.types: {pattern!r} {why}: it may not send such types; leave the pattern out"
            for owner, source in zip(owners, self.sources.values(), strict=True)
            for pattern in source.types
            if (why := prefixes.refusal(pattern.removesuffix("*"), owner, prefixes.foreign(owner, owners)))
        ]

    def required(self) -> Self:
        """These settings, if there is a source. Raises ConfigError if there is none."""
        if not self.sources:
            raise ConfigError([f"ingest.sources: none; set {SECRET_VARIABLE}, or configure [ingest.sources.NAME]"])
        return self


def load_endpoints(file: Path | None, environ: Mapping[str, str] = os.environ) -> Endpoints:
    """Load this part alone, and ignore ingest's other settings. Raises ConfigError with every problem."""
    return load(Endpoints, "ingest", file, environ, extend=lambda raw: complete(raw, environ), is_partial=True)


def _source_problems(name: str, source: Source) -> list[str]:
    where = f"ingest.sources.{name}"
    found = []
    if not keys.is_name(name):
        found.append(f"{where}: a source name is 1 to 128 of A-Z a-z 0-9 _ . -")
    if problem := paths.problem(source.path):
        found.append(f"{where}.path: {problem}")
    if problem := type_place.problem(source.type_at):
        found.append(f"{where}.type_at: {problem}")
    bad = [pattern for pattern in source.types if not is_pattern(pattern)]
    found += [f"{where}.types: {pattern!r} is not a pattern: use an event type, 'prefix.*' or '*'" for pattern in bad]
    if not (source.secrets or source.public_keys):
        found.append(f"{where}.secrets: none, and no public_keys either: write the secret that the sender shows")
    for i, key in enumerate(source.public_keys):
        try:
            public_key.raw_key(key)
        except ValueError as error:
            found.append(f"{where}.public_keys[{i}]: {error}")
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
            if problem := key_problem(word.text, source.key_encoding):
                problems.append(f"{place}: {problem}")
    if problems:
        raise ConfigError(problems)
    return found


def key_uses(sources: Mapping[str, Source], secrets: Mapping[str, Sequence[SecretValue]]) -> Iterator[Use]:
    """The keys that sources accept; `secrets` are those in force, by source."""
    for name, source in sources.items():
        owner, where = source.owner(name), f"ingest.sources.{name}"
        for secret in secrets[name]:
            place = secret.where if secret.where.startswith(where) else f"{where}.secrets: {secret.where}"
            yield Use(signing_keys.as_hmac(key_bytes(secret.text, source.key_encoding)), owner, place)
        for i, key in enumerate(source.public_keys):
            yield Use(public_key.raw_key(key), owner, f"{where}.public_keys[{i}]")
