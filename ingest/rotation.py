"""Reloads secrets while ingest serves: new secrets count without a restart.

Every five seconds the secret files are read again, at the cost of a few small reads; this also detects a folder that
Kubernetes swaps. On SIGHUP the configuration is read again too, and `[ingest.sources]` is replaced. All other changed
settings need a restart; the log names them. An invalid set of secrets never replaces a valid one: it is reported.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from ..shared import log, signing_keys
from ..shared.header_names import NAMES
from ..shared.public_key import PublicKey
from ..shared.secret_refs import SecretValue
from ..shared.settings import ConfigError
from ..shared.sources import key_uses, secrets_of
from ..shared.systemd import SystemdNotifier
from . import metrics
from .receive import Endpoint
from .settings import IngestSettings
from .signature import Verifier
from .source_types import SourceTypes

INTERVAL_S: Final = 5.0
"""Rotations overlap by hours; an operator who checks the result waits for seconds."""

Secrets = Mapping[str, list[SecretValue]]
"""Source → its secrets in force."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The secrets as read at one time. `refused`: source → problems of its new secrets."""

    settings: IngestSettings
    secrets: Secrets
    refused: Mapping[str, list[str]]


class Rotation:
    """`reload_settings` returns new settings, for SIGHUP; `apply` gets the endpoints by path. Raises ConfigError."""

    def __init__(
        self,
        settings: IngestSettings,
        reload_settings: Callable[[], IngestSettings],
        apply: Callable[[Mapping[str, Endpoint]], None],
    ) -> None:
        self._reload_settings = reload_settings
        self._apply = apply
        self._reload_requested = asyncio.Event()
        self._log = log.get("ingest.rotation")
        self._current = _poll(settings, {})
        self._apply_snapshot(self._current)

    @property
    def settings(self) -> IngestSettings:
        """The settings in force."""
        return self._current.settings

    def reload(self) -> None:
        """Read configuration and secrets again, soon."""
        self._reload_requested.set()

    async def run(self, notifier: SystemdNotifier) -> None:
        """Poll the secret files until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_S):
                    await self._reload_requested.wait()
            if self._reload_requested.is_set():
                self._reload_requested.clear()
                notifier.reloading()
                await self._reload()
                notifier.reloaded()
            else:
                # In a thread: a file may lie on a network.
                snapshot = await asyncio.to_thread(_poll, self._current.settings, self._current.secrets)
                if snapshot != self._current:
                    self._apply_snapshot(snapshot)

    async def _reload(self) -> None:
        try:
            reloaded = await asyncio.to_thread(self._reload_settings)
            settings = msgspec.structs.replace(self._current.settings, sources=reloaded.sources)
            snapshot = await asyncio.to_thread(_poll, settings, {})
        except ConfigError as error:
            metrics.RELOADS.labels("refused").inc()
            self._log.error("reload_refused", problems=error.problems, effect="the previous one stays in force")
            return
        self._apply_snapshot(snapshot)
        metrics.RELOADS.labels("ok").inc()
        self._log.info("reloaded", sources=list(settings.sources))
        fields = IngestSettings.__struct_fields__
        changed = [name for name in fields if getattr(reloaded, name) != getattr(settings, name)]
        if "redis_url" in changed and reloaded.redis_url.reference == settings.redis_url.reference != "":
            changed.remove("redis_url")  # each new connection reads that file
        if changed:
            self._log.warning("restart_needed", keys=changed, reason="SIGHUP reloads only the sources")

    def _apply_snapshot(self, snapshot: _Snapshot) -> None:
        """Put a snapshot into force, and log the differences."""
        before, self._current = self._current, snapshot
        for name, problems in snapshot.refused.items():
            if before.refused.get(name) != problems:
                effect = "the previous secrets still count"
                self._log.error("secrets_refused", source=name, problems=problems, effect=effect)
        for name, secrets in snapshot.secrets.items():
            if before.secrets.get(name) != secrets:
                self._log.info("secrets_changed", source=name, secrets=[secret.where for secret in secrets])
        _update_metrics(snapshot)
        sources = snapshot.settings.sources
        self._apply({source.path: _endpoint(name, snapshot) for name, source in sources.items()})


def _poll(settings: IngestSettings, before: Secrets) -> _Snapshot:
    """Read the secrets of all sources; keep those `before` where new ones are invalid, or raise ConfigError."""
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
    _refuse_shared(settings, secrets, refused, before)
    return _Snapshot(settings, secrets, refused)


def _refuse_shared(
    settings: IngestSettings, secrets: dict[str, list[SecretValue]], refused: dict[str, list[str]], before: Secrets
) -> None:
    """Take back new secrets by which a sender could speak for another: those `before` had no such key."""
    while forgeable := signing_keys.forgeable(key_uses(settings.sources, secrets)):
        changed = {name for each in forgeable for name in each.sources if secrets[name] != before.get(name)}
        if not before or not changed:
            raise ConfigError(list(map(signing_keys.problem, forgeable)))
        for name in sorted(changed):
            refused[name] = [signing_keys.problem(each) for each in forgeable if name in each.sources]
            secrets[name] = list(before[name])


def _endpoint(name: str, snapshot: _Snapshot) -> Endpoint:
    settings = snapshot.settings
    source = settings.sources[name]
    secrets = [secret.text for secret in snapshot.secrets[name]]
    verifier = Verifier(
        secrets,
        source.key_encoding,
        settings.tolerance_s,
        NAMES[source.headers],
        [PublicKey(key) for key in source.public_keys],
    )
    types = SourceTypes(source, source.owner(name), settings.owners())
    return Endpoint(name, verifier, types)


def _update_metrics(snapshot: _Snapshot) -> None:
    metrics.SECRETS.clear()
    metrics.SECRETS_STALE.clear()
    for name, secrets in snapshot.secrets.items():
        count = len(secrets) + len(snapshot.settings.sources[name].public_keys)
        metrics.SECRETS.labels(name).set(count)
        metrics.SECRETS_STALE.labels(name).set(name in snapshot.refused)
        for i in range(count):
            metrics.SECRET_MATCHES.labels(name, str(i))  # exported as 0 until it matches
