"""The settings of hookbus-worker, and the checks of their combinations."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from ..shared import http_url
from ..shared.listen import Listen
from ..shared.secret import Secret
from ..shared.settings import Common, Count, Option, Positive, load

DEFAULT_OPS_LISTEN: Final = Listen("127.0.0.1", 9465, "worker.ops_listen")
DEFAULT_EXPORTER_LISTEN: Final = Listen("127.0.0.1", 9466, "worker.exporter_listen")
DEFAULT_CONSOLE_LISTEN: Final = Listen("127.0.0.1", 9467, "worker.console_listen")
DAY_S: Final = 86_400.0

NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class WorkerSettings(Common, frozen=True, kw_only=True):
    """Times in seconds."""

    ops_listen: Listen = DEFAULT_OPS_LISTEN
    """Address of `/healthz`, `/readyz` and `/metrics` of `hookbus-worker run`. If the key is not set and the port is
    in use, a free port is used and logged."""
    exporter_listen: Listen = DEFAULT_EXPORTER_LISTEN
    """The same for `hookbus-worker exporter`."""
    console_listen: Listen = DEFAULT_CONSOLE_LISTEN
    """Address of the pages of `hookbus-worker console`. One that other machines reach needs `console_auth`."""
    console_hosts: tuple[str, ...] = ()
    """Further names under which browsers reach the console, such as that of a proxy. It answers under no other: a name
    that strangers let point to this machine must not open it."""
    console_name: str = ""
    """Name of the bus on the pages of the console, such as `production`, for those who have several."""
    console_runbook: str = ""
    """URL of your copy of `deploy/RUNBOOK.md`, which the console links to where something needs somebody, with the
    name of a section behind a `#`. None: it names the section."""
    console_role: Literal["viewer", "operator"] = "viewer"
    """What the pages of the console allow those whose role nothing else tells: to look, or to change something, too.
    With `console_auth` `none` that is whoever reaches its port, any user of this machine among them."""
    console_auth: Literal["none", "token", "header"] = "none"
    """How the console knows who asks. `token`: a page asks for one of `console_tokens`. `header`: one of
    `console_trusted_proxies` has asked, and names the person in `X-Forwarded-User` and groups in `X-Forwarded-Groups`.
    """
    console_tokens: dict[str, tuple[Secret, ...]] = msgspec.field(default_factory=dict)
    """The tokens of each role, `viewer` and `operator`: text, `file:PATH` or `credential:NAME`; at least 20 characters
    each. Files are read again when they change: a token that is taken away ends its sessions."""
    console_trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of the proxies whose headers count: those of `header`, `X-Forwarded-For`, and
    `X-Forwarded-Proto`, by which cookies are secured. From all others they are dropped."""
    console_groups: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """With `header`: the groups of each role, `viewer` and `operator`, compared whole. Whoever is in none gets nothing.
    Without any, everybody whom the proxy names has `console_role`."""
    console_bodies: Literal["all", "operator", "none"] = "all"
    """Whom the console shows bodies and tracebacks of dead letters, and lets download them. Some events name people."""
    console_send_url: str = ""
    """Where the console posts the test events that operators send: the URL of a source of ingest with OpenAI's types.
    None: it sends none."""
    console_send_secret: Secret = Secret("")
    """What it signs them with, the first secret of that source: text, `file:PATH` or `credential:NAME`, read for each.
    Whoever reads it can sign as that source: give test events one of their own."""
    handler_timeout_s: Positive = 30.0
    """Default timeout of subscriptions without a `timeout`."""
    grace_period_s: Positive = 40.0
    """How long running deliveries may take to end after SIGTERM; the rest is handed over. Must exceed every timeout.
    Give the supervisor 15 s more: a stop takes that long while Redis hangs."""
    quarantine_processes: Count = 2
    """Maximum of processes in which one worker runs deliveries that were in flight in two workers that died. Each loads
    the apps once more, and takes the memory of a worker; it ends a minute after the last of them."""
    retention_s: Positive = 3 * DAY_S
    """How long handled events are kept (3 days), for replay and for groups that start in the past. Near Redis' memory
    limit they are trimmed first. One worker trims for the whole bus, by its own settings: give all the same."""
    retention_events: Count = 1_000_000
    """Maximum of events of a type and shard: beyond it, handled events are trimmed earlier. A million small events take
    300 MB."""
    orphan_retention_s: Positive = 14 * DAY_S
    """How long events are kept that no group reads, or no longer reads (14 days)."""

    dead_retention_s: NotNegative = 0.0
    """How long dead letters are kept. 0: until they are redriven or discarded."""
    dead_retention_events: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Maximum of dead letters of a group and shard: beyond it, the oldest are dropped. 0: no limit."""

    recovered_events: Annotated[int, msgspec.Meta(ge=0)] = 10_000
    """Maximum of deliveries remembered of a group and shard that were handled after failures, for `find`: beyond it the
    oldest are forgotten. Each takes some 400 bytes. 0: none."""

    def secrets(self) -> list[str]:
        tokens = [token for tokens in self.console_tokens.values() for token in tokens]
        return [*super().secrets(), *tokens, self.console_send_secret]

    def problems(self) -> list[str]:
        problems = super().problems()
        if self.console_runbook and (problem := _runbook_problem(self.console_runbook)):
            problems.append(f"worker.console_runbook: {self.console_runbook!r}: {problem}")
        if problem := _sending_problem(self.console_send_url, self.console_send_secret):
            problems.append(problem)
        if self.grace_period_s <= self.handler_timeout_s:
            problems.append(
                f"worker.grace_period_s: {self.grace_period_s:g} is not above worker.handler_timeout_s"
                f" ({self.handler_timeout_s:g}): every stop would interrupt handlers within their timeout"
            )
        return problems


def _runbook_problem(url: str) -> str:
    if "#" in url:
        return "has a '#': the console adds it, with the name of a section"
    return http_url.problem(url)


def _sending_problem(url: str, secret: str) -> str:
    """Never quotes either."""
    if bool(url) != bool(secret):
        return f"worker.console_send_{'secret' if url else 'url'}: missing, so the console could send no test event"
    if not url:
        return ""
    problem = http_url.problem(url)
    if not problem and "@" in urlsplit(url).netloc:
        problem = "has a name or password, which its pages would show"
    return problem and f"worker.console_send_url: {problem}"


def embedded_settings(table: Mapping[str, Any] | None) -> tuple[WorkerSettings, set[str]]:
    """The settings of a worker inside another program, and the names of those that are set: from a table with the keys
    of hookbus.toml, or else from file and environment. Raises ConfigError with all problems."""
    given: dict[str, Any] = {}
    return load(WorkerSettings, "worker", None, extend=given.update, table=table), set(given)


def load_settings(
    file: Path | None, environ: Mapping[str, str] = os.environ, overrides: Mapping[str, Option] | None = None
) -> WorkerSettings:
    """The settings of hookbus-worker. Raises ConfigError with all problems."""
    return load(WorkerSettings, "worker", file, environ, overrides)
