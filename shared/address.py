"""Where Redis is: the URL, and what the connections of one process find out together about who answers there.

`redis://`, `rediss://` and `unix://` URLs, as in https://redis.readthedocs.io/en/stable/connections.html.
"""

import re
from typing import Final

from redis.connection import parse_url

SCHEMES: Final = ("redis://", "rediss://", "unix://")


class RedisUrl(str):
    """A URL that keeps its password out of logs, tracebacks and reprs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(redacted(self))


class Address:
    """One for a process. A name, a virtual address or a proxy in front of Redis may move to another server, which only
    new connections see: when one connection meets a wrong server, all that are as old are made anew."""

    def __init__(self, url: str) -> None:
        self.url = RedisUrl(url)
        self.epoch = 0
        """Connections made in an earlier one lead to a wrong server, or may."""
        self._term = ""

    def leave(self, epoch: int) -> None:
        """The server that connections of an epoch lead to is a wrong one. Many connections may say so; one counts."""
        if epoch == self.epoch:
            self.epoch += 1

    def meet(self, term: str) -> bool:
        """A new connection leads to a server of this term. True if it is another than the one before: then connections
        made before are of an earlier epoch."""
        is_another = self._term not in ("", term)
        self.epoch += is_another
        self._term = term
        return is_another


def redacted(url: str) -> str:
    """The URL without its password, for logs. Where that should have been percent-encoded, rather too much goes."""
    url = re.sub(r"(?<=://)([^@/:]*:)[^?]*(?=@)", r"\1***", url)
    return re.sub(r"(?<=[?&]password=)[^&]*", "***", url)


def url_problem(url: str) -> str:
    """What is wrong with a URL, "" for nothing. Never quotes the password."""
    if not url.startswith(SCHEMES):
        return f"must begin with {', '.join(SCHEMES)}"
    if not url.startswith("unix://") and "@" in url.partition("://")[2].partition("/")[2].partition("?")[0]:
        return "a password with '/' in it must be percent-encoded ('%2F')"
    try:
        options = parse_url(url)
    except ValueError:
        return "host, port, database number or an option in it can't be read"
    known = ("host", "port", "db", "path", "username", "password", "connection_class")
    strange = [name for name in options if name not in known and not name.startswith("ssl_")]
    return f"unknown option {strange[0]!r}" if strange else ""
