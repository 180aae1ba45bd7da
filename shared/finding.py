"""Findings of the diagnostics (`hookbus-ingest check`, `hookbus-worker check`), each with its remedy."""

import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from . import output, secret_refs


class Finding(msgspec.Struct, frozen=True):
    """A problem to act on. With `exit_code` 0 it is a warning: both programs work in spite of it."""

    exit_code: int
    code: str
    problem: str
    action: str
    runbook: str = ""
    """Section of deploy/RUNBOOK.md, "" for none."""


def gravest(findings: Iterable[Finding]) -> int:
    """The exit code: a wrong configuration (78) outranks an unreachable Redis (1)."""
    return max((finding.exit_code for finding in findings), default=0)


def lines(findings: Sequence[Finding]) -> list[str]:
    """Findings as text, in their order. Names in them may come from Redis."""
    return [
        line
        for finding in findings
        for line in (
            "",
            output.line(f"{'ERROR' if finding.exit_code else 'warning'} {finding.code}: {finding.problem}"),
            f"  -> {output.line(finding.action)}",
            *([f"  -> runbook: {finding.runbook}"] if finding.runbook else ()),
        )
    ]


def exposed(secrets: Iterable[str]) -> list[Finding]:
    """A finding for each file that `secrets`, texts of settings, refer to and that every user of the machine may read.

    Warnings only: Kubernetes mounts secrets with these permissions, into a container that has one user. Credentials are
    protected by systemd.
    """
    return [
        Finding(0, "secret_exposed", f"every user of this machine may read {path}", f"chmod o-r {path}")
        for path in dict.fromkeys(_readable(secrets))
    ]


def _readable(secrets: Iterable[str]) -> Iterator[Path]:
    """The files that every user may read. What can't be listed by us can't be by every user."""
    for secret in secrets:
        try:
            yield from filter(_is_exposed, secret_refs.files(secret))
        except PermissionError:
            continue


def _is_exposed(path: Path) -> bool:
    return path.is_file() and bool(path.stat().st_mode & stat.S_IROTH) and not _is_in_private_folder(path)


def _is_in_private_folder(path: Path) -> bool:
    """Whether other users cannot enter one of the folders above."""
    return any(not folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)
