"""URLs of settings and options that others open: what events are posted to, what pages link to."""

from urllib.parse import urlsplit


def problem(url: object) -> str:
    """Why nobody could open a URL, "" if they could."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        has_host = parts is not None and bool(parts.hostname) and parts.port != 0
    except ValueError as error:  # a port that is none, half an IPv6 address
        return f"{error}: http://HOST:PORT/PATH is needed"
    if parts is None or not has_host or parts.scheme not in ("http", "https"):
        return "http://HOST… or https://HOST… is needed"
    return ""
