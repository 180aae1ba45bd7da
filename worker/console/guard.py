"""Which requests the console answers, and the headers of all its answers. Pure.

Loopback is no boundary: a web page whose name resolves to 127.0.0.1 (DNS rebinding) would be of the same origin as the
console, so a request must name one of our hosts. And any page may post a form to any address, so a request that changes
something must come from a page of ours (https://owasp.org/www-community/attacks/csrf). Nor may a page of others make us
read Redis by an image or a fetch: of what it sends, only a link that somebody follows is answered
(https://web.dev/articles/fetch-metadata). The checks need no state and no token: they hold behind proxies and after a
restart.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ...shared.listen import Listen

SAFE_METHODS: Final = ("GET", "HEAD")
METRICS: Final = "/metrics"
PROBES: Final = ("/healthz", "/readyz", METRICS)
PART: Final = "/part"
"""Before the path of a page: the part of it that is refreshed."""

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
    "Server": "hookbus",
}
"""A page that shows what strangers sent runs nothing but our own two files, and can be framed by nobody."""

_PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is not answered: the code, and why, for people."""

    status: int
    reason: str


WRONG_HOST: Final = Refused(421, "this console does not answer under that name: see worker.console_hosts")


@dataclass(frozen=True, slots=True)
class Guard:
    """`hosts`: the names and addresses under which the console answers, as `host_of` returns them."""

    hosts: frozenset[str]

    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> Refused | None:
        """Why a request is refused, None if it is not."""
        host = headers.get("Host", "")
        if host_of(host) not in self.hosts:
            return WRONG_HOST
        if method not in SAFE_METHODS:
            return None if _is_ours(host, headers) else Refused(403, "a change must come from a page of this console")
        is_part = path == PART or path.startswith(f"{PART}/")
        if _is_foreign(headers) and (is_part or not _is_navigation(headers)):
            return Refused(403, "only a link to a page is answered to pages of others")
        return None

    def refusal_of_probe(self, method: str, path: str, headers: Mapping[str, str]) -> Refused | None:
        """The same for PROBES. Those name an address of a pod, and `/healthz` and `/readyz` tell nothing: any host
        will do. Metrics are answered under an address too, which no website can have as its name."""
        if method not in SAFE_METHODS:
            return Refused(405, "a probe reads")
        host = host_of(headers.get("Host", ""))
        if path != METRICS:
            return None
        if host not in self.hosts and not _is_address(host):
            return WRONG_HOST
        return Refused(403, "metrics are for no page") if _is_foreign(headers) else None


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


def is_asked_here(headers: Mapping[str, str]) -> bool:
    """Whether a page of ours, or a person by the address bar, sent a GET: what costs much is not done for a link in a
    page of others. Browsers leave out `Sec-Fetch-Site` under a name on plain http; there ours are told by the referrer,
    which a page can hide, but not choose."""
    fetched = headers.get("Sec-Fetch-Site")
    if fetched is not None:
        return fetched in ("same-origin", "none")
    return _has_host(headers.get("Referer", ""), headers.get("Host", ""))


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


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
    return _has_host(headers.get("Origin", ""), host)


def _has_host(url: str, host: str) -> bool:
    """Whether a URL is one of this Host header."""
    try:
        return bool(url) and urlsplit(url).netloc.lower() == host.lower()
    except ValueError:  # such as "http://[::1"
        return False


def _is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a page of another origin sent the request. One on another port of this machine is of the same site."""
    return headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")


def _is_navigation(headers: Mapping[str, str]) -> bool:
    """Whether the answer fills a tab."""
    return headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
