"""Answers the requests of browsers: guard, route, page, template, headers."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from ...shared import log
from ...shared.command import FailedError
from ...shared.connection import FAULTS, Redis
from ...shared.fault import fault_of, is_access_refused
from ...shared.http_connection import prove
from ...shared.settings import ConfigError
from ..inspect.status import Status
from ..settings import WorkerSettings
from . import attention, doors, form, guard, routes, static, upload
from .asked import Asked, Context, ForbiddenError, WrongQueryError
from .guard import PART, Guard, Refused
from .jobs import Jobs
from .look import Look
from .looker import Looker
from .person import Bodies, Person
from .searches import Searches
from .sending import sending
from .tail import Tail
from .templates import Templates
from .upload import Upload
from .view import Download, Redirect, View

REQUEST_S: Final = 20.0
KEEP: Final = "public, max-age=31536000, immutable"
"""A static file's path changes with its content."""


BUG: Final = ("This page has failed", "the log of the console has the reason")


class App:
    """One console. Keeps nothing between requests but its `jobs`."""

    def __init__(self, client: Redis, settings: WorkerSettings, looker: Looker, allowed: Guard) -> None:
        """Raises ConfigError."""
        self._client = client
        self._shards = settings.shards
        self._bodies: Bodies = settings.console_bodies
        self._looker = looker
        self._guard = allowed
        self._searches = Searches()
        self._tail = Tail(client, settings.shards)
        self._importing = asyncio.Lock()
        self._sending = sending(settings)
        self.jobs = Jobs(client, lambda: looker.has_room, looker.changed)
        assets = static.load()
        self._assets = static.by_path(assets)
        self._templates = Templates(assets, bus=settings.console_name, runbook=settings.console_runbook)
        self._door = doors.door(settings, self._templates)
        self._log = log.get("worker.console")

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to any request but those of probes."""
        if (refused := self._guard.refusal(request.method, request.path, request.headers)) is not None:
            return _refusal(refused)
        is_read = request.method in guard.SAFE_METHODS
        if is_read and (asset := self._assets.get(request.path)) is not None:
            headers = {"Cache-Control": KEEP}
            return web.Response(body=asset.body, content_type=asset.content_type, charset="utf-8", headers=headers)
        match await self._door.enter(request):
            case Refused() as refused:
                return _refusal(refused)
            case Person() as person:
                response = await self._answer(request, person, is_read=is_read)
                self._door.leave(request, response)
                return response
            case response:
                return response

    async def _answer(self, request: web.BaseRequest, person: Person, *, is_read: bool) -> web.Response:
        path = request.rel_url.raw_path
        is_part = is_read and path.startswith(f"{PART}/")
        if is_part and await self._looker.current() and request.query.get("v") == self._looker.version:
            return web.Response(status=304)
        fields = {} if is_read else await _form(request, person)
        if isinstance(fields, Refused):
            return _refusal(fields)
        prove(request)
        page_path = path.removeprefix(PART) if is_part else path
        asked = Asked(
            person,
            is_asked_here=guard.is_asked_here(request.headers),
            sees_bodies=person.sees(self._bodies),
            query=dict(request.query),
            form={} if isinstance(fields, Upload) else fields,
            upload=fields if isinstance(fields, Upload) else None,
        )
        match await self._view(request.method, page_path, asked):
            case Download() as file:
                return _download(file)
            case Redirect(path=other):
                return web.Response(status=303, headers={"Location": other})
            case View(version=version) if is_part and version and version == request.query.get("v"):
                return web.Response(status=304)
            case View() as view:
                return self._drawn(view, path, person, is_part=is_part)

    async def _view(self, method: str, path: str, asked: Asked) -> View | Download | Redirect:
        """The view of a page, or of why there is none."""
        if (found := routes.find("GET" if method == "HEAD" else method, path)) is None:
            return _failed(404, "There is no such page", path)
        page, parts = found
        try:
            async with asyncio.timeout(upload.MOST_S if asked.upload else REQUEST_S):
                look = await self._looker.current()
                if look is None:
                    why = self._looker.problem or "the console has just begun"
                    return _failed(503, "Nothing is known yet", why)
                if method not in guard.SAFE_METHODS and (why := self._blind(look)):
                    return _failed(503, "Nothing was changed", why)
                context = Context(
                    self._client,
                    self._shards,
                    self._looker,
                    self._templates,
                    self.jobs,
                    self._searches,
                    self._tail,
                    self._importing,
                    self._sending,
                    look,
                )
                return await page(context, replace(asked, path=parts))
        except Exception as error:  # noqa: BLE001 - one page has a bug, the others are needed
            return self._excuse(error, path)

    def _blind(self, look: Look) -> str:
        """Why nothing is changed now, "" for nothing: an operator would decide by what is not so."""
        if self._looker.is_old:
            return f"what this console knows is old: {self._looker.problem or 'no newer figures have come'}"
        return look.beside.missing and f"this console does not know {look.beside.missing}"

    def _excuse(self, error: Exception, path: str) -> View:
        """What a page says that could not be made."""
        if isinstance(error, FailedError):
            return _failed(*_kind(error), str(error))
        if isinstance(error, ConfigError):
            return _failed(503, "Not with this configuration", str(error))
        if isinstance(error, (*FAULTS, TimeoutError)):
            title = "Redis refused it" if is_access_refused(error) else "Redis did not answer"
            return _failed(503, title, fault_of(error).detail)
        self._log.error("page_failed", path=path, exc_info=error)
        return _failed(500, *BUG)

    def _drawn(self, view: View, path: str, person: Person, *, is_part: bool) -> web.Response:
        frame = self._frame(person)
        try:
            text = self._templates.draw(view, frame, is_part=is_part)
        except Exception as error:  # noqa: BLE001 - as in `_view`
            view = self._excuse(error, path)
            text = self._templates.draw(view, frame, is_part=is_part)
        response = web.Response(text=text, status=view.status, content_type="text/html")
        response.enable_compression()
        return response

    def _frame(self, person: Person) -> Mapping[str, Any]:
        """What every page shows around its own content."""
        look = self._looker.last
        return {
            "version": self._looker.version,
            "at_ms": look.at_ms if look else None,
            "age_s": self._looker.age_s(),
            "fresh_s": self._looker.fresh_s,
            "is_old": self._looker.is_old,
            "problem": self._looker.problem,
            "is_operator": person.is_operator,
            "person": person,
            "navigation": _navigation(look),
            "unasked": look.beside.unasked if look else {},
        }


def _navigation(look: Look | None) -> list[tuple[str, str, int, str]]:
    """Path, name, number and its tone of each page in the navigation."""
    status = look.bus.status if look else Status()
    groups = status.groups.values()
    return [
        ("/", "Overview", 0, ""),
        ("/dead", "Dead letters", sum(group.dead for group in groups), "bad"),
        ("/retries", "Retries", sum(group.delayed for group in groups), "warn"),
        ("/events", "Events", 0, ""),
        ("/processes", "Processes", status.processes, ""),
        ("/rejected", "Rejected", look.beside.rejected if look else 0, ""),
        ("/actions", "Actions", 0, ""),
        ("/health", "Health", len(attention.of_look(look)) if look else 0, "warn"),
    ]


async def _form(request: web.BaseRequest, person: Person) -> Mapping[str, str] | Upload | Refused:
    """The fields of a form, one with a file, or why nothing is changed."""
    if not person.is_operator:
        return Refused(403, f"{person.name} may only look: see worker.console_role")
    return Upload(request) if request.path == upload.PATH else await form.read(request)


def _refusal(refused: Refused) -> web.Response:
    return web.Response(status=refused.status, text=f"{refused.reason}\n")


def _download(file: Download) -> web.Response:
    """Bytes that no browser shows, under a name that is ours."""
    disposition = f'attachment; filename="{file.file}"'
    return web.Response(
        body=file.body, content_type="application/octet-stream", headers={"Content-Disposition": disposition}
    )


def _kind(error: FailedError) -> tuple[int, str]:
    """Code of an answer, and its heading."""
    match error:
        case WrongQueryError():
            return 400, "Not understood"
        case ForbiddenError():
            return 403, "Not for you"
        case _:
            return 404, "Not here"


def _failed(status: int, what: str, why: str) -> View:
    return View("failed.html", {"what": what, "why": why}, what, status=status)
