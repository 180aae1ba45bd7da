"""Where Redis is: the URL, and what the connections of one process learn about the server behind it.

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
"""Options that redis-py takes in a URL, where they cannot be checked before the first connection."""
_UNSET: Final = {"username": None, "password": None, "db": 0}


class RedisUrl(str):
    """A URL that keeps its password out of logs, tracebacks and reprs. `reference` names its source, "" for none."""

    __slots__ = ("reference",)
    reference: str

    def __new__(cls, url: str, reference: str = "") -> "RedisUrl":
        instance = super().__new__(cls, url)
        instance.reference = reference
        return instance

    def __repr__(self) -> str:
        return repr(redacted(self))


class Address:
    """The address of Redis, one for a process. A host name, a virtual address or a proxy may move to another server,
    which only new connections reach: when one connection finds a wrong server, all of the same age are replaced.

    A URL that comes from a file is read again for each connection, so that a new password takes effect; `tls` likewise.
    """

    def __init__(self, url: str, tls: Tls | None = None) -> None:
        self.url = url if isinstance(url, RedisUrl) else RedisUrl(url)
        self.tls = tls or Tls()
        self._refused = ""
        self.epoch = 0
        """Connections of an earlier epoch lead, or may lead, to a wrong server."""
        self._term = ""

    def leave(self, epoch: int) -> None:
        """Mark the server of an epoch as wrong. Many connections may report it; only the first counts."""
        if epoch == self.epoch:
            self.epoch += 1

    @property
    def is_in_files(self) -> bool:
        """Whether the URL or the certificates may be read again."""
        return bool(self.url.reference) or self.url.startswith("rediss://")

    def options(self) -> dict[str, Any]:
        """The options of a new connection: host, port, path, database, user, password. Reads files."""
        if self.url.reference:
            self._read_url()
        options: dict[str, Any] = {**_UNSET, **parse_url(self.url)}
        options.pop("connection_class", None)
        return options

    def refresh(self) -> bool:
        """Read the files again. True if they have changed: then all connections are replaced."""
        before = self.url, self.tls.stamps
        self.options()
        if self.url.startswith("rediss://"):
            self.tls.context()
        if before == (self.url, self.tls.stamps):
            return False
        self.epoch += 1
        return True

    def _read_url(self) -> None:
        """Read the URL again. An invalid one never replaces a valid one; it is logged instead."""
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
            log.get("redis").error("redis_url_refused", problem=problem, effect="the previous URL stays in use")
        self._refused = problem

    def observe_term(self, term: str) -> bool:
        """Record the term of the server that a new connection reached. True if it differs from the previous term: then
        the connections made before belong to an earlier epoch."""
        is_another = self._term not in ("", term)
        self.epoch += is_another
        self._term = term
        return is_another


def redacted(url: str) -> str:
    """The URL without its password, for logs. If the password is not percent-encoded, more than it may be cut."""
    url = re.sub(r"(?<=://)([^@/:]*:)[^?]*(?=@)", r"\1***", url)
    return re.sub(r"(?<=[?&]password=)[^&]*", "***", url)


# redis-py silently reads /prod as /0.
_DATABASE = re.compile(r"[^/]*(/[0-9]*/?)?")


def _shape_problem(url: str) -> str:
    """A problem with a part that redis-py would silently misread, "" for none."""
    place = url.strip().partition("://")[2].partition("?")[0]
    is_file = url.startswith("unix://")
    if not is_file and "@" in place.partition("/")[2]:
        return "a '/' in the password must be percent-encoded ('%2F')"
    if "#" in url:
        return "a '#' must be percent-encoded ('%23')"
    if not is_file and not _DATABASE.fullmatch(place):
        return "only a database number may follow host and port, as in /0"
    return ""


def url_problem(url: str) -> str:
    """The first problem of a URL, "" for none. Never quotes the password."""
    if not url.startswith(SCHEMES):
        return f"must begin with {', '.join(SCHEMES)}"
    if problem := _shape_problem(url):
        return problem
    for name in parse_qs(urlsplit(url).query, keep_blank_values=True):
        if name.startswith("ssl_"):
            setting = _MOVED_TO_SETTINGS.get(name, "redis_ca_file, redis_cert_file, redis_key_file, redis_server_name")
            return f"{name!r} is not allowed in the URL; set {setting} for TLS"
    try:
        options = parse_url(url)
    except ValueError:
        return "host, port, database number or an option is invalid"
    supported = ("host", "port", "db", "path", "username", "password", "connection_class")
    unknown = [name for name in options if name not in supported]
    return f"unknown option {unknown[0]!r}" if unknown else ""
