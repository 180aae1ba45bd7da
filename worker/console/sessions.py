"""Sessions of those who logged in by a token: a cookie that the token itself has signed. Pure.

The console keeps nothing, so a session outlasts its restart and holds in every console of the bus, and a token that is
withdrawn ends its sessions. A session is stretched while pages are opened, `MOST_S` in all.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .person import Person

SESSION_S: Final = 12 * 3600
"""How long somebody who opens no page stays logged in: a working day."""
MOST_S: Final = 7 * 24 * 3600
"""Then the token is asked for again: a cookie that was stolen does not last for ever."""
RENEW_S: Final = 600
"""A cookie younger than this is not sent anew with each page."""
SECURE_NAME: Final = "__Host-hookbus"
"""Over https. Browsers take that prefix only from this very host, and only with `Secure`."""
PLAIN_NAME: Final = "hookbus"
"""Over http, such as on loopback, where not all browsers keep a cookie with `Secure`."""

_COOKIE = re.compile(r"([0-9]{1,12})\.([0-9]{1,12})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Token:
    """A token and whom it stands for."""

    text: str
    person: Person


@dataclass(frozen=True, slots=True)
class Session:
    """Times in Unix seconds. `began_s`: when the token was given, `until_s`: when it ends."""

    token: Token
    began_s: int
    until_s: int

    def renewed(self, now_s: int) -> "Session | None":
        """The same with its full length again, None if it is not time for that."""
        until_s = min(now_s + SESSION_S, self.began_s + MOST_S)
        return Session(self.token, self.began_s, until_s) if until_s - self.until_s >= RENEW_S else None

    @property
    def value(self) -> str:
        """The text of its cookie."""
        return f"{self.began_s}.{self.until_s}.{_signature(self.token, self.began_s, self.until_s)}"


def begin(token: Token, now_s: int) -> Session:
    """A session that begins now."""
    return Session(token, now_s, now_s + SESSION_S)


def read(tokens: Sequence[Token], value: str, now_s: int) -> Session | None:
    """The session of a cookie, None unless one of the tokens has signed it and it has not ended."""
    if not (match := _COOKIE.fullmatch(value)):
        return None
    began_s, until_s = int(match[1]), int(match[2])
    found = None
    for token in tokens:  # all of them, so that the time that it takes tells nothing
        if hmac.compare_digest(_signature(token, began_s, until_s), match[3]):
            found = token
    return Session(found, began_s, until_s) if found and now_s < until_s else None


def token_of(tokens: Sequence[Token], given: str) -> Token | None:
    """The token that was given. Compares digests, all of them, so that time tells nothing of text, length or place."""
    digest = hashlib.sha256(given.encode(errors="replace")).digest()
    found = None
    for token in tokens:
        if hmac.compare_digest(hashlib.sha256(token.text.encode()).digest(), digest):
            found = token
    return found


def _signature(token: Token, began_s: int, until_s: int) -> str:
    message = f"hookbus console {token.person.role} {began_s} {until_s}".encode()
    return hmac.new(token.text.encode(), message, hashlib.sha256).hexdigest()
