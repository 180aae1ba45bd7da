"""Which requests the console answers, and the headers of all its answers. Pure.

Loopback is no boundary: a web page whose name resolves to 127.0.0.1 (DNS rebinding) would be of the same origin as the
console, so a request must name one of our hosts. And any page may post a form to any address, so a request that changes
something must come from a page of ours (https://owasp.org/www-community/attacks/csrf). Both checks need no state and no
token: they hold behind proxies, under other paths, and after a restart.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ...shared.settings import Listen

SAFE_METHODS: Final = ("GET", "HEAD")
PROBES: Final = ("/healthz", "/readyz", "/metrics")
"""Answered under any host: probes name an address of the pod, and these pages tell nothing about events."""

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types hookbus"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with none, browsers post forms with `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""A page that shows what strangers sent runs nothing but our own two files, and can be framed by nobody."""

_PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is not answered: the code, and why, for people."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Guard:
    """`hosts`: the names and addresses under which the console answers, as `host_of` returns them."""

    hosts: frozenset[str]

    def refusal(self, method: str, host: str | None, headers: Mapping[str, str]) -> Refused | None:
        """Why a request is refused, None if it is not. `host` is its Host header."""
        name = host_of(host or "")
        if name not in self.hosts:
            return Refused(421, "this console does not answer under that name: see worker.console_hosts")
        if method not in SAFE_METHODS and not _is_ours(host or "", headers):
            return Refused(403, "a change must come from a page of this console")
        return None


def allowed(listen: Listen, names: Iterable[str]) -> Guard:
    """The guard of a console that listens there, and is reached under these names, too."""
    own = [] if _is_any(listen.host) else [listen.host]
    return Guard(frozenset(map(_canonical, [*own, "localhost", "127.0.0.1", "::1", *names])))


def host_of(header: str) -> str:
    """The host of a Host header, without its port, in one spelling; "" for one that is none."""
    host, port = header, ""
    if header.startswith("["):
        host, bracket, port = header[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            return ""
        port = port[1:] if port else ""
    elif ":" in header:
        host, _, port = header.rpartition(":")
        if ":" in host:
            return ""
    if port and not _PORT.fullmatch(port):
        return ""
    return _canonical(host)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _canonical(host: str) -> str:
    """One spelling of a name or address; names are compared whole."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()


def _is_ours(host: str, headers: Mapping[str, str]) -> bool:
    """Whether a page of this console sent the request: the browser says so, and pages can't set either header."""
    fetched = headers.get("Sec-Fetch-Site")
    if fetched is not None:
        return fetched == "same-origin"
    origin = headers.get("Origin", "")
    return bool(origin) and urlsplit(origin).netloc.lower() == host.lower()
