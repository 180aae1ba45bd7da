"""The door of `console_auth = "token"`: a page that asks for a token, and a cookie for those who gave one."""

import math
import re
import time
from typing import Final

from aiohttp import web

from ...shared import clock, log
from . import form, guard, sessions
from .guard import PART, Refused
from .guesses import MOST, Guesses
from .keyring import Keyring
from .person import Person
from .proxies import Proxies
from .sessions import PLAIN_NAME, SECURE_NAME, Session
from .templates import Templates
from .view import View

LOGIN: Final = "/login"
LOGOUT: Final = "/logout"
_PATH_HERE = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""A page of ours to go on to; "//evil.example" and "/\\evil.example" are elsewhere."""


class Login:
    """Keeps nothing but the wrong guesses of the last minute."""

    def __init__(self, keyring: Keyring, trusted: Proxies, templates: Templates) -> None:
        self._keyring = keyring
        self._trusted = trusted
        self._templates = templates
        self._guesses = Guesses()
        self._log = log.get("worker.console")

    async def enter(self, request: web.BaseRequest) -> Person | Refused | web.Response:
        """The person of the cookie; else the page that asks, or the answer to it."""
        is_read = request.method in guard.SAFE_METHODS
        if not is_read and request.path == LOGIN:
            return await self._log_in(request)
        if not is_read and request.path == LOGOUT:
            return self._log_out(request)
        session = self._session(request)
        if session is not None:
            return session.token.person
        if not is_read or request.path.startswith(f"{PART}/"):
            return Refused(401, "log in first")
        return self._page(request, request.path_qs)

    def leave(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Stretch the session by a page that somebody opens; not by those that refresh themselves."""
        session = self._session(request)
        if session is None or request.path.startswith(f"{PART}/"):
            return
        if (renewed := session.renewed(_now_s())) is not None:
            self._set(request, response, renewed)

    def _session(self, request: web.BaseRequest) -> Session | None:
        value = request.cookies.get(self._name(request), "")
        return sessions.read(self._keyring.tokens(), value, _now_s()) if value else None

    async def _log_in(self, request: web.BaseRequest) -> Refused | web.Response:
        address = self._trusted.sender(request.remote, request.headers)
        wait_s = self._guesses.wait_s(address, time.monotonic())
        if wait_s:
            return self._busy(request, wait_s)
        fields = await form.read(request)
        if isinstance(fields, Refused):
            return fields
        to = fields.get("to", "")
        token = sessions.token_of(self._keyring.tokens(), fields.get("token", "").strip())
        if token is None:
            self._guesses.add(address, time.monotonic())
            self._log.warning("console_login_refused", peer=address)
            return self._page(request, to, "That is no token of this console.")
        self._log.info("console_login", who=token.person.name, peer=address)
        response = web.Response(status=303, headers={"Location": _here(to)})
        self._set(request, response, sessions.begin(token, _now_s()))
        return response

    def _busy(self, request: web.BaseRequest, wait_s: float) -> web.Response:
        seconds = math.ceil(wait_s)
        response = self._page(request, "", f"{MOST} wrong tokens in a minute: try again in {seconds} s.", status=429)
        response.headers["Retry-After"] = str(seconds)
        return response

    def _log_out(self, request: web.BaseRequest) -> web.Response:
        response = web.Response(status=303, headers={"Location": "/"})
        name = self._name(request)
        response.del_cookie(name, path="/", httponly=True, samesite="Strict", secure=name == SECURE_NAME)
        return response

    def _page(self, request: web.BaseRequest, to: str, problem: str = "", status: int = 401) -> web.Response:
        """The form. Browsers send no cookie with a link of another site, so it links to the page itself, too."""
        is_link = not problem and request.method in guard.SAFE_METHODS and not guard.is_asked_here(request.headers)
        view = View("login.html", {"to": _here(to), "problem": problem, "is_link": is_link}, "Log in", status=status)
        return web.Response(text=self._templates.draw(view, {}, is_part=False), status=status, content_type="text/html")

    def _name(self, request: web.BaseRequest) -> str:
        return SECURE_NAME if self._trusted.is_https(request.remote, request.headers) else PLAIN_NAME

    def _set(self, request: web.BaseRequest, response: web.StreamResponse, session: Session) -> None:
        name = self._name(request)
        response.set_cookie(
            name,
            session.value,
            max_age=session.until_s - _now_s(),
            path="/",
            httponly=True,
            samesite="Strict",
            secure=name == SECURE_NAME,
        )


def _here(to: str) -> str:
    return to if _PATH_HERE.fullmatch(to) and to not in (LOGIN, LOGOUT) else "/"


def _now_s() -> int:
    return clock.now_ms() // 1000
