"""The life of the stack of `make up`: Valkey, ingest, worker, console; a welcome; their output; the end, in order."""

import asyncio
import importlib.util
import os
import signal
import socket
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Console

from deploy.local import terminal
from deploy.local.home import LISTEN_VARIABLE, REDIS_VARIABLE, SEND_SECRET_VARIABLE, SEND_URL_VARIABLE, Home
from deploy.local.processes import Child, ending, gentle_signal
from hookbus.ingest.settings import IngestSettings, load_settings
from hookbus.shared.command import EXIT_FAILED, EXIT_INTERRUPTED
from hookbus.shared.command_line import unread
from hookbus.shared.destination import destination
from hookbus.shared.listen import Listen
from hookbus.shared.raw_sources import SECRET_VARIABLE
from hookbus.shared.valkey import Valkey

HANDLERS: Final = ("deploy.local.handlers:billing", "deploy.local.handlers:audit")
INGEST_PATIENCE_S: Final = 15.0
"""ingest gives requests in flight 10 s."""
WORKER_PATIENCE_S: Final = 60.0
"""A worker gives handlers 40 s by default, and 5 more to the last outcomes."""
CONSOLE_PATIENCE_S: Final = 5.0
"""It ends within 2 s, with browsers that ask."""

WELCOME: Final = """
[bold green]hookbus is up[/]: {urls}
{pages}

In a second terminal, in this folder:

    [bold]source {env}[/]
    [bold]hookbus-ingest send response.completed[/]   a signed event, as OpenAI sends it
    [bold]hookbus-ingest send '*'[/]                  one of each type
    [bold]hookbus-worker status[/]                    the backlog of each group
    [bold]hookbus-ingest send response.failed[/]      its handler always fails: after three attempts …
    [bold]hookbus-worker dlq list[/]                  … it is a dead letter

The handlers are {handlers}. Ctrl-C stops; stored events stay in {data}.
"""


class StackError(Exception):
    """The stack can't start, or can't go on; the text says why."""


class Stack:
    """One run. `console` gets everything that is shown."""

    def __init__(self, home: Home, console: Console) -> None:
        self._home = home
        self._console = console
        self._environ = {k: v for k, v in os.environ.items() if k != REDIS_VARIABLE}
        self._children: list[Child] = []
        self._has_own_secret = False
        self._signals = 0
        self._stopping = asyncio.Event()
        self._is_unread = False

    async def run(self) -> int:
        """Run until a signal comes or a program ends. Raises StackError, ConfigError, RuntimeError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop)
        settings = self._settings()
        valkey = Valkey(self._home.data, socket=self._home.socket)
        try:
            valkey.start()
            for listen in settings.listen:
                check_free(listen)
            self._environ[REDIS_VARIABLE] = valkey.url
            await self._start(settings)
            await self._until_the_end(valkey)
        finally:
            await self._end()
            valkey.close()
        self._print(f"stopped; what is stored is in {_short(self._home.data)}")
        if self._is_unread:
            unread(0)
        if not self._signals:
            return EXIT_FAILED
        return EXIT_INTERRUPTED if self._signals > 1 else 0

    def _settings(self) -> IngestSettings:
        """The settings of ingest; with the development secret if there is no source. Raises ConfigError."""
        settings = load_settings(None, self._environ)
        if not settings.sources:
            self._has_own_secret = True
            self._environ[SECRET_VARIABLE] = self._home.secret()
            settings = load_settings(None, self._environ)
        return settings

    async def _start(self, settings: IngestSettings) -> None:
        level = {"HOOKBUS_LOG_LEVEL": "debug"} | self._environ  # so that each stored event shows
        programs = [
            ("ingest", ["hookbus-ingest", "serve"], level),
            ("worker", ["hookbus-worker", "run", *HANDLERS], self._environ),
        ]
        if has_console():
            console = ["hookbus-worker", "console", "--role", "operator"]
            programs.append(("console", console, self._sending(settings) | self._environ))
        for name, command, environ in programs:
            self._children.append(await Child.start(name, command, environ, self._see))

    def _sending(self, settings: IngestSettings) -> dict[str, str]:
        """What the console needs to send test events. With sources of the user's own that is the user's to set; where
        ingest takes any port, nobody knows the URL yet."""
        if not self._has_own_secret or settings.listen[0].port == 0:
            return {}
        return {SEND_URL_VARIABLE: destination(settings).url, SEND_SECRET_VARIABLE: self._home.secret_reference}

    async def _until_the_end(self, valkey: Valkey) -> None:
        """Return at a signal to stop. Raises StackError when a part of the stack ends."""
        ends = {asyncio.create_task(child.wait()): child.name for child in self._children}
        ends[asyncio.create_task(asyncio.to_thread(valkey.wait))] = "valkey"
        stopping = asyncio.create_task(self._stopping.wait())
        welcome = asyncio.create_task(self._welcome())
        try:
            await asyncio.wait((*ends, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            welcome.cancel()
            stopping.cancel()
            await asyncio.gather(welcome, stopping, return_exceptions=True)
        for task, name in ends.items():
            if task.done() and not self._stopping.is_set():
                raise StackError(f"{name} {ending(task.result())}, so everything stops")

    async def _welcome(self) -> None:
        """Print the next steps once everything works."""
        ingest, worker, *consoles = self._children
        listening = await ingest.until_logged("listening")
        await ingest.until_logged("redis_healthy")
        await worker.until_logged("working")
        pages = "Its console needs jinja2: pip install 'hookbus[console]'"
        for console in consoles:
            pages = f"[bold green]Its console[/]:  {(await console.until_logged('serving'))['url']}"
        # The actual address, since port 0 takes a free one.
        environ = self._environ | {LISTEN_VARIABLE: urlsplit(listening["urls"][0]).netloc}
        self._home.write_env(environ, has_own_secret=self._has_own_secret)
        names = {"env": _short(self._home.env), "data": _short(self._home.data)}
        urls = " ".join(listening["urls"])
        text = WELCOME.format(urls=urls, pages=pages, handlers="deploy/local/handlers.py", **names)
        self._print(text, highlight=False, soft_wrap=True)

    def _stop(self) -> None:
        self._signals += 1
        self._stopping.set()
        if self._signals == 1 and self._children:
            self._print("\nstopping, in order; Ctrl-C again ends everything at once", style="dim")
        if self._signals > 1:
            for child in self._children:
                child.signal(signal.SIGKILL)

    async def _end(self) -> None:
        """Stop the programs one after the other."""
        patiences_s = (INGEST_PATIENCE_S, WORKER_PATIENCE_S, CONSOLE_PATIENCE_S)
        for child, patience_s in zip(self._children, patiences_s, strict=False):
            await child.stop(gentle_signal(child), patience_s)

    def _see(self, child: Child, line: str) -> None:
        try:
            terminal.show(self._console, child, line)
        except OSError:
            self._leave_unread()

    def _print(self, text: str, **how: Any) -> None:
        try:
            self._console.print(text, **how)
        except OSError:
            self._leave_unread()

    def _leave_unread(self) -> None:
        """The reader of the output has gone, as when Ctrl-C ended `| tee` before us: stop in order, and silently."""
        self._is_unread = self._console.quiet = True
        self._stopping.set()


def has_console() -> bool:
    """Whether the extra `console` is installed."""
    return importlib.util.find_spec("jinja2") is not None


def check_free(listen: Listen) -> None:
    """Raises StackError when another process listens on that port.

    ingest would notice most, but not another ingest: those share a port, and each would get half of the events.
    """
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listen.host, listen.port))
        except OSError as error:
            another = Listen(listen.host, listen.port + 1 if listen.port < 65535 else 0)
            raise StackError(
                f"{listen.setting}: can't listen on {listen}: {error.strerror}."
                f" For another port: HOOKBUS_INGEST_LISTEN={another} make up"
            ) from None


def _short(path: Path) -> str:
    """A path as it is typed in this folder."""
    return str(path.relative_to(Path.cwd().resolve()))
