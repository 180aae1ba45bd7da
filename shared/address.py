"""Where Redis is: the URL, and what the connections of one process find out together about who answers there.

`redis://`, `rediss://` and `unix://` URLs, as in https://redis.readthedocs.io/en/stable/connections.html.
"""

import re
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from redis.connection import parse_url

from . import log, secret_refs
from .tls import Tls

SCHEMES: Final = ("redis://", "rediss://", "unix://")


_MOVED_TO_SETTINGS: Final = {
    "ssl_ca_certs": "redis_ca_file",
    "ssl_certfile": "redis_cert_file",
    "ssl_keyfile": "redis_key_file",
    "ssl_check_hostname": "redis_server_name",
}
"""What redis-py takes in a URL, where it can't be looked at before the first connection."""
_UNSET: Final = {"username": None, "password": None, "db": 0}


class RedisUrl(str):
    """A URL that keeps its password out of logs, tracebacks and reprs. `reference` says where it was read."""

    __slots__ = ("reference",)
    reference: str

    def __new__(cls, url: str, reference: str = "") -> "RedisUrl":
        made = super().__new__(cls, url)
        made.reference = reference
        return made

    def __repr__(self) -> str:
        return repr(redacted(self))


class Address:
    """One for a process. A name, a virtual address or a proxy in front of Redis may move to another server, which only
    new connections see: when one connection meets a wrong server, all that are as old are made anew.

    A URL that lies in a file is read again for each connection, so that a new password is followed; `tls` likewise.
    """

    def __init__(self, url: str, tls: Tls | None = None) -> None:
        self.url = url if isinstance(url, RedisUrl) else RedisUrl(url)
        self.tls = tls or Tls()
        self._refused = ""
        self.epoch = 0
        """Connections made in an earlier one lead to a wrong server, or may."""
        self._term = ""

    def leave(self, epoch: int) -> None:
        """The server that connections of an epoch lead to is a wrong one. Many connections may say so; one counts."""
        if epoch == self.epoch:
            self.epoch += 1

    @property
    def is_in_files(self) -> bool:
        """Whether there is anything to be read again."""
        return bool(self.url.reference) or self.url.startswith("rediss://")

    def options(self) -> dict[str, Any]:
        """What a connection that is made now needs: host, port, path, database, user, password. Reads files."""
        if self.url.reference:
            self._read_url()
        found: dict[str, Any] = {**_UNSET, **parse_url(self.url)}
        found.pop("connection_class", None)
        return found

    def refresh(self) -> bool:
        """Look at the files; when they have changed, all connections are made anew. Whether they had."""
        before = self.url, self.tls.stamps
        self.options()
        if self.url.startswith("rediss://"):
            self.tls.context()
        if before == (self.url, self.tls.stamps):
            return False
        self.epoch += 1
        return True

    def _read_url(self) -> None:
        """A URL that is wrong never replaces a right one; it is reported instead."""
        try:
            url = RedisUrl(secret_refs.read(self.url.reference)[0].text, self.url.reference)
            problem = url_problem(url)
        except ValueError as error:
            problem = str(error)
        else:
            if not problem and url.partition("://")[0] != self.url.partition("://")[0]:
                problem = "another scheme needs a restart"
            if not problem:
                self.url = url
        if problem and problem != self._refused:
            log.get("redis").error("redis_url_refused", problem=problem, effect="the one before still counts")
        self._refused = problem

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


# redis-py takes /prod for /0 without a word.
_DATABASE = re.compile(r"[^/]*(/[0-9]*/?)?")


def _shape_problem(url: str) -> str:
    """What redis-py would read as something else, without a word."""
    place = url.strip().partition("://")[2].partition("?")[0]
    is_file = url.startswith("unix://")
    if not is_file and "@" in place.partition("/")[2]:
        return "a password with '/' in it must be percent-encoded ('%2F')"
    if "#" in url:
        return "a '#' in it must be percent-encoded ('%23')"
    if not is_file and not _DATABASE.fullmatch(place):
        return "what follows host and port must be the number of a database, as in /0"
    return ""


def url_problem(url: str) -> str:
    """What is wrong with a URL, "" for nothing. Never quotes the password."""
    if not url.startswith(SCHEMES):
        return f"must begin with {', '.join(SCHEMES)}"
    if problem := _shape_problem(url):
        return problem
    for name in parse_qs(urlsplit(url).query, keep_blank_values=True):
        if name.startswith("ssl_"):
            instead = _MOVED_TO_SETTINGS.get(name, "redis_ca_file, redis_cert_file, redis_key_file, redis_server_name")
            return f"{name!r} does not go into the URL; TLS is set by {instead}"
    try:
        options = parse_url(url)
    except ValueError:
        return "host, port, database number or an option in it can't be read"
    known = ("host", "port", "db", "path", "username", "password", "connection_class")
    strange = [name for name in options if name not in known]
    return f"unknown option {strange[0]!r}" if strange else ""
