"""Completes the sources as they stand in a file or a variable, before they are checked as settings.

What is wrong here is reported together with all other problems, in words of its own.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from . import secret_refs
from .header_names import Headers
from .listen import Listen
from .secret import Encoding, Scheme, Secret, key_problem
from .settings import ConfigError

SECRET_VARIABLE: Final = "OPENAI_WEBHOOK_SECRET"  # noqa: S105 - the variable's name
"""A complete configuration by itself: source `openai` at `/webhooks/openai`. The OpenAI SDKs read it too."""
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "scheme": get_args(Scheme),
    "headers": get_args(Headers),
    "encoding": get_args(Encoding),
}
LISTS: Final = ("secrets", "public_keys", "types")


def complete(raw: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Split the addresses in a text, make lists of single texts, and add the source that a variable alone configures.

    Raises ConfigError if an address or a secret can't be read, or a word is none of its choices.
    """
    problems = []
    if isinstance(text := raw.get("listen"), str):
        try:
            raw["listen"] = [Listen.parse(address.strip()) for address in text.split(",")]
        except ValueError as error:
            problems.append(f"ingest.listen: {error}")
            del raw["listen"]
    if secrets := environ.get(SECRET_VARIABLE, "").split():
        problems += _variable_problems(secrets)
        sources = raw.get("sources", {})
        openai = sources.get("openai", {}) if isinstance(sources, dict) else None
        if isinstance(openai, dict):  # anything else is reported by the conversion
            raw["sources"] = sources | {"openai": {"path": "/webhooks/openai"} | openai | {"secrets": secrets}}
    for name, source in _tables(raw.get("sources")):
        _make_lists(source)
        problems += [f"ingest.sources.{name}.{problem}" for problem in (*_unreadable(source), *_bad_choices(source))]
    if problems:
        raise ConfigError(problems)


def _tables(sources: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, source in sources.items() if isinstance(sources, dict) else ():
        if isinstance(source, dict):
            yield name, source


def _variable_problems(secrets: list[str]) -> list[str]:
    """Problems of the secrets in the variable, under its name; references are checked with the others."""
    plain = [Secret(secret) for secret in secrets if not secret_refs.is_reference(secret)]
    return [f"{SECRET_VARIABLE}: {problem}" for secret in plain if (problem := key_problem(secret, "raw"))]


def _make_lists(source: dict[str, Any]) -> None:
    """Accept a single text in place of a list of one."""
    for key in LISTS:
        if isinstance(text := source.get(key), str):
            source[key] = [text]


def _unreadable(source: Mapping[str, Any]) -> Iterator[str]:
    """Problems of the references among the secrets."""
    secrets = source.get("secrets")
    for i, secret in enumerate(secrets if isinstance(secrets, list) else ()):
        try:
            if isinstance(secret, str) and secret_refs.is_reference(secret):
                secret_refs.read(secret)
        except ValueError as error:
            yield f"secrets[{i}]: {error}"


def _bad_choices(source: dict[str, Any]) -> Iterator[str]:
    """Words that are none of their choices; removed, so that each is reported once."""
    for key, choices in CHOICES.items():
        if key in source and source[key] not in choices:
            right = " or ".join(f'"{choice}"' for choice in choices)
            yield f"{key}: {source.pop(key)!r}; write {right}"
