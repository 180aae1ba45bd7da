"""Keeps the sources up to date while ingest serves: new secrets count without a restart.

Every five seconds the files that hold secrets are read again, which costs a few small reads; a folder that Kubernetes
swaps is noticed that way. On SIGHUP the configuration is read again too, and all of `[ingest.sources]` is taken from
there: what else changed needs a restart, and is named. A bad set never replaces a good one; it is reported instead.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from ..shared import log
from ..shared.secret_refs import SecretValue
from ..shared.settings import ConfigError
from ..shared.sources import secrets_of
from ..shared.systemd import SystemdNotifier
from . import metrics
from .receive import Endpoint
from .settings import IngestSettings
from .signature import Verifier

INTERVAL_S: Final = 5.0
"""Rotations overlap by hours; an operator who looks whether it worked waits for seconds."""

Secrets = Mapping[str, list[SecretValue]]
"""Source → its secrets in force."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What a look found. `refused`: source → what is wrong with its new secrets."""

    settings: IngestSettings
    secrets: Secrets
    refused: Mapping[str, list[str]]


class Rotation:
    """`again` builds the settings anew, for SIGHUP; `apply` gets the endpoints by path. Raises ConfigError."""

    def __init__(
        self,
        settings: IngestSettings,
        again: Callable[[], IngestSettings],
        apply: Callable[[Mapping[str, Endpoint]], None],
    ) -> None:
        self._reload_settings = again
        self._apply = apply
        self._told = asyncio.Event()
        self._log = log.get("ingest.rotation")
        self._now = _Look(settings, {name: secrets_of(name, source) for name, source in settings.sources.items()}, {})
        self._take(self._now)

    def reload(self) -> None:
        """Read configuration and secrets again, soon."""
        self._told.set()

    async def run(self, notifier: SystemdNotifier) -> None:
        """Look until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_S):
                    await self._told.wait()
            if self._told.is_set():
                self._told.clear()
                notifier.reloading()
                await self._reload()
                notifier.reloaded()
            else:
                # In a thread: a file may lie on a network.
                found = await asyncio.to_thread(_poll, self._now.settings, self._now.secrets)
                if found != self._now:
                    self._take(found)

    async def _reload(self) -> None:
        try:
            told = await asyncio.to_thread(self._reload_settings)
            settings = msgspec.structs.replace(self._now.settings, sources=told.sources)
            found = await asyncio.to_thread(_poll, settings, {})
        except ConfigError as error:
            metrics.RELOADS.labels("refused").inc()
            self._log.error("reload_refused", problems=error.problems, effect="what was in force still is")
            return
        self._take(found)
        metrics.RELOADS.labels("ok").inc()
        self._log.info("reloaded", sources=list(settings.sources))
        fields = IngestSettings.__struct_fields__
        changed = [name for name in fields if getattr(told, name) != getattr(settings, name)]
        if "redis_url" in changed and told.redis_url.reference == settings.redis_url.reference != "":
            changed.remove("redis_url")  # what that file says is followed by each connection
        if changed:
            self._log.warning("restart_needed", keys=changed, reason="SIGHUP reads only the sources again")

    def _take(self, found: _Look) -> None:
        """Put into force what was found, and say what changed."""
        before, self._now = self._now, found
        for name, problems in found.refused.items():
            if before.refused.get(name) != problems:
                self._log.error("secrets_refused", source=name, problems=problems, effect="the ones before still count")
        for name, words in found.secrets.items():
            if before.secrets.get(name) != words:
                self._log.info("secrets_changed", source=name, secrets=[word.where for word in words])
        _show(found)
        sources = found.settings.sources
        self._apply({source.path: _endpoint(name, found) for name, source in sources.items()})


def _poll(settings: IngestSettings, before: Secrets) -> _Look:
    """Read the secrets of all sources. Bad ones give way to those `before`; raises ConfigError if there are none."""
    secrets: dict[str, list[SecretValue]] = {}
    refused: dict[str, list[str]] = {}
    for name, source in settings.sources.items():
        try:
            secrets[name] = secrets_of(name, source)
        except ConfigError as error:
            if name not in before:
                raise
            secrets[name] = before[name]
            refused[name] = error.problems
    return _Look(settings, secrets, refused)


def _endpoint(name: str, found: _Look) -> Endpoint:
    secrets = [word.text for word in found.secrets[name]]
    scheme = found.settings.sources[name].scheme
    return Endpoint(name, Verifier(secrets, scheme, found.settings.tolerance_s))


def _show(found: _Look) -> None:
    metrics.SECRETS.clear()
    metrics.SECRETS_STALE.clear()
    for name, words in found.secrets.items():
        metrics.SECRETS.labels(name).set(len(words))
        metrics.SECRETS_STALE.labels(name).set(name in found.refused)
        for i in range(len(words)):
            metrics.SECRET_MATCHES.labels(name, str(i))  # shown as 0 until it matches
