"""The tokens of the console, from the settings and the files that they name, which are read again when they change."""

import time
from collections.abc import Mapping, Sequence
from typing import Final, get_args

from ...shared import log, secret_refs
from ...shared.secret import Secret
from ...shared.settings import ConfigError
from .person import Person, Role
from .sessions import Token

MIN_CHARS: Final = 20
"""Of a token: `openssl rand -hex 16` makes 32. A shorter one could be guessed from its signature in a cookie."""
KEY: Final = "worker.console_tokens"
READ_S: Final = 10.0
"""How long files are not looked at again: a withdrawn token counts until then."""


class Keyring:
    """`given`: role → tokens, or references to files that hold some. Raises ConfigError."""

    def __init__(self, given: Mapping[str, Sequence[Secret]]) -> None:
        self._given = given
        self._log = log.get("worker.console")
        self._tokens = _tokens(given)
        self._read_s = time.monotonic()

    def tokens(self) -> Sequence[Token]:
        """Those in force. While a file can't be read, those of before."""
        now_s = time.monotonic()
        if now_s - self._read_s >= READ_S:
            self._read_s = now_s
            try:
                self._tokens = _tokens(self._given)
            except ConfigError as error:
                self._log.error("console_tokens_refused", reason=str(error))
        return self._tokens


def _tokens(given: Mapping[str, Sequence[Secret]]) -> list[Token]:
    problems = [f"{KEY}: {role!r} is no role: viewer or operator" for role in given if role not in get_args(Role)]
    found: dict[str, Token] = {}
    for role in get_args(Role):
        for number, text in enumerate(_texts(given.get(role, ()), f"{KEY}.{role}", problems), 1):
            if len(text) < MIN_CHARS:
                problems.append(f"{KEY}.{role}: token {number} is shorter than {MIN_CHARS} characters")
            if text in found:
                problems.append(f"{KEY}.{role}: token {number} is also {found[text].person.name}")
            found[text] = Token(text, Person(f"{role} token {number}", role, has_session=True))
    if not found and not problems:
        problems.append(f'{KEY}: none, so nobody could log in: viewer = ["file:PATH"], operator = ["file:PATH"]')
    if problems:
        raise ConfigError(problems)
    return list(found.values())


def _texts(given: Sequence[Secret], where: str, problems: list[str]) -> list[Secret]:
    texts = []
    for each in given:
        try:
            texts += [value.text for value in secret_refs.read(each)] if secret_refs.is_reference(each) else [each]
        except ValueError as error:
            problems.append(f"{where}: {error}")
    return texts
