"""Who a trusted proxy says sent a request, and their role by the groups that it names. Pure.

Such as oauth2-proxy, Authelia, or a proxy with OIDC of its own. Names are compared whole: no pattern, no case folding.
"""

from collections.abc import Mapping
from typing import Final

from .person import Person, Role
from .proxies import Headers

USER: Final = "X-Forwarded-User"
GROUPS: Final = "X-Forwarded-Groups"
MAX_CHARS: Final = 200


def person(headers: Headers, groups: Mapping[Role, frozenset[str]], role: Role) -> Person | None:
    """The person, None if nobody is named or none of their groups has a role. Without any group in the settings each
    has `role`. A header that stands there twice counts as none: a client may have added the other."""
    name = _one(headers, USER)
    if not name or len(name) > MAX_CHARS:
        return None
    if groups:
        theirs = {text.strip() for text in _one(headers, GROUPS).split(",")}
        if not any(names & theirs for names in groups.values()):
            return None
        role = "operator" if groups.get("operator", frozenset()) & theirs else "viewer"
    return Person(name, role)


def _one(headers: Headers, name: str) -> str:
    values = headers.getall(name, ())
    text = values[0].strip() if len(values) == 1 else ""
    return text.encode("utf-8", "backslashreplace").decode()  # bytes that are no UTF-8 arrive as surrogates
