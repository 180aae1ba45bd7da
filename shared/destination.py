"""Where the commands that sign and post events send them, and how: as the sender of a source would."""

from typing import NamedTuple

from . import http_url, secret_refs, type_place
from .header_names import NAMES, WEBHOOK, HeaderNames
from .listen import Listen
from .nearest import did_you_mean
from .secret import Encoding, key_bytes
from .sources import Endpoints, secrets_of


class Destination(NamedTuple):
    """A URL, the key to sign with, the names of the headers, and where a body names its type."""

    url: str
    key: bytes
    names: HeaderNames = WEBHOOK
    type_at: str = type_place.DEFAULT


def destination(endpoints: Endpoints | None, source_name: str = "", url: str = "", secret: str = "") -> Destination:
    """The given URL and secret, else those of a source (the named one, else the first that has a secret).

    Without endpoints both must be given. Raises ValueError.
    """
    encoding: Encoding = "raw"
    names, type_at = WEBHOOK, type_place.DEFAULT
    if endpoints is not None:
        with_secret = (name for name, source in endpoints.sources.items() if source.secrets)
        name = source_name or next(with_secret, next(iter(endpoints.sources)))
        if name not in endpoints.sources:
            there = ", ".join(endpoints.sources)
            raise ValueError(f"no source {name!r}; there are {there}{did_you_mean(name, endpoints.sources)}")
        source = endpoints.sources[name]
        encoding, names, type_at = source.key_encoding, NAMES[source.headers], source.type_at
        if not source.secrets:
            raise ValueError(f"source {name} has public keys only: nobody but its sender can sign for it")
        secret = secret or secrets_of(name, source)[0].text
        listen = endpoints.listen[0]
        if not url and listen.port == 0:
            raise ValueError("ingest.listen takes any free port (0), so --url is needed")
        url = url or f"http://{_reachable(listen)}{source.path}"
    if problem := http_url.problem(url):
        raise ValueError(f"the URL {url!r}: {problem}")
    return Destination(url, key_bytes(secret_refs.first(secret), encoding), names, type_at)


def _reachable(listen: Listen) -> Listen:
    """The address to connect to for an address to listen on."""
    return Listen({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host), listen.port)  # noqa: S104
