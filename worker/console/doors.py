"""Who gets in: a door for each `worker.console_auth`. Every request passes it, but for static files and probes."""

from collections.abc import Mapping
from typing import Protocol, cast, get_args

from aiohttp import web

from ...shared.settings import ConfigError
from ..settings import WorkerSettings
from . import named, proxies
from .guard import Refused, is_loopback
from .keyring import Keyring
from .login import Login
from .person import Person, Role, anybody
from .proxies import Proxies
from .templates import Templates

NOBODY = Refused(403, "the proxy in front has named nobody with a role here: see worker.console_auth")


class Door(Protocol):
    """Tells who sent a request."""

    async def enter(self, request: web.BaseRequest, /) -> Person | Refused | web.Response:
        """The person; or what is answered to somebody unknown."""
        ...

    def leave(self, request: web.BaseRequest, response: web.StreamResponse, /) -> None:
        """Add to the answer of a page what the door has to say."""


class Open:
    """Asks nobody: on loopback alone."""

    def __init__(self, role: Role) -> None:
        self._person = anybody(role)

    async def enter(self, _request: web.BaseRequest) -> Person:
        """Everybody is the same person."""
        return self._person

    def leave(self, _request: web.BaseRequest, _response: web.StreamResponse) -> None:
        """Nothing."""


class Named:
    """Takes the word of a trusted proxy."""

    def __init__(self, trusted: Proxies, groups: Mapping[Role, frozenset[str]], role: Role) -> None:
        self._trusted = trusted
        self._groups = groups
        self._role: Role = role

    async def enter(self, request: web.BaseRequest) -> Person | Refused:
        """The person that the proxy names."""
        if not self._trusted.has(request.remote):
            return NOBODY
        return named.person(request.headers, self._groups, self._role) or NOBODY

    def leave(self, _request: web.BaseRequest, _response: web.StreamResponse) -> None:
        """Nothing: the proxy has the session."""


def door(settings: WorkerSettings, templates: Templates) -> Door:
    """The door of these settings. Raises ConfigError: without one that asks, others must not reach the console."""
    listen, auth = settings.console_listen, settings.console_auth
    if auth == "none":
        if not is_loopback(listen.host):
            raise ConfigError(
                [f"{listen.setting}: {listen} can be reached from other machines, and the console asks nobody who"
                 " they are: set worker.console_auth, or listen on 127.0.0.1 and reach it through ssh -L"]
            )  # fmt: skip
        return Open(settings.console_role)
    try:
        trusted = proxies.parse(settings.console_trusted_proxies)
    except ValueError as error:
        raise ConfigError([f"worker.console_trusted_proxies: {error}"]) from None
    if auth == "token":
        return Login(Keyring(settings.console_tokens), trusted, templates)
    if not trusted.networks:
        raise ConfigError(
            ["worker.console_trusted_proxies: none, so nobody could be named: the addresses of the proxy"]
        )
    return Named(trusted, _groups(settings.console_groups), settings.console_role)


def lets_operators_in(settings: WorkerSettings) -> bool:
    """Whether anybody could be an operator."""
    if settings.console_auth == "token":
        return bool(settings.console_tokens.get("operator"))
    if settings.console_auth == "header" and settings.console_groups:
        return bool(settings.console_groups.get("operator"))
    return settings.console_role == "operator"


def _groups(given: Mapping[str, tuple[str, ...]]) -> dict[Role, frozenset[str]]:
    unknown = sorted(given.keys() - set(get_args(Role)))
    if unknown:
        raise ConfigError([f"worker.console_groups: {role!r} is no role: viewer or operator" for role in unknown])
    return {cast("Role", role): frozenset(names) for role, names in given.items()}
