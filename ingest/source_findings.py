"""What `hookbus-ingest check` finds about sources and their secrets that the settings accept."""

from collections.abc import Iterator, Mapping
from typing import Final

from ..shared import signing_keys
from ..shared.finding import Finding
from ..shared.secret import PREFIX, key_bytes
from ..shared.secret_refs import SecretValue
from ..shared.sources import Source, key_uses, secrets_of

GOOD_KEY_BYTES: Final = 24
"""The minimum of Standard Webhooks; some issuers make keys of 16."""


def findings(sources: Mapping[str, Source]) -> list[Finding]:
    """All of them. Raises ConfigError if secrets have changed since the settings were read, and are invalid now."""
    secrets = {name: secrets_of(name, source) for name, source in sources.items()}
    return [
        *(each for name, source in sources.items() for each in _of_secrets(name, source, secrets[name])),
        *(each for name, source in sources.items() for each in _own_prefix(name, source)),
        *_shared(sources, secrets),
    ]


def _of_secrets(name: str, source: Source, secrets: list[SecretValue]) -> Iterator[Finding]:
    sizes = [len(key_bytes(secret.text, source.key_encoding)) for secret in secrets]
    if sizes and min(sizes) < GOOD_KEY_BYTES:
        problem = f"source {name} has a secret of {min(sizes)} bytes; Standard Webhooks requires {GOOD_KEY_BYTES}"
        yield Finding(0, "short_secret", problem, "have its issuer create a longer one, if it can")
    if source.encoding is not None:
        return
    # It may be truncated, or of the other encoding, and then verifies nothing.
    read = "its characters themselves are the key" if source.key_encoding == "raw" else "it is read as base64"
    for secret in secrets:
        if not secret.text.startswith(PREFIX):
            problem = f"source {name}: {secret.where} does not begin with '{PREFIX}', so {read}"
            action = f'paste the whole secret, from \'{PREFIX}\' on; or write its encoding, "base64" or "raw"'
            yield Finding(0, "unprefixed_secret", problem, action)


def _own_prefix(name: str, source: Source) -> Iterator[Finding]:
    """Patterns that look like stored types. They may be right: what `email` sends as `email.sent` is stored as
    `email.email.sent`."""
    prefix = source.owner(name).prefix
    for pattern in source.types if prefix else ():
        if pattern.startswith(prefix):
            problem = f"source {name}: {pattern!r} in types admits what is stored as {prefix + pattern!r}"
            action = f"write types in the sender's own names, such as {pattern.removeprefix(prefix)!r}"
            yield Finding(0, "prefixed_types", problem, f"{action}; nothing if its names do begin with {prefix!r}")


def _shared(sources: Mapping[str, Source], secrets: Mapping[str, list[SecretValue]]) -> Iterator[Finding]:
    for each in signing_keys.shared(key_uses(sources, secrets)):
        if len(each.sources) == 1:
            action = "remove one: the counters of a rotation count the first place, its alert the last"
            yield Finding(0, "repeated_key", str(each), action)
        else:
            action = "give each a secret of its own: one captured request counts once at each of their paths"
            yield Finding(0, "shared_key", str(each), action)
