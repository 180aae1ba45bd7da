"""What the doctors (`hookbus-ingest check`, `hookbus-worker check`) find: each says what to do about it."""

import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from . import output


class Finding(msgspec.Struct, frozen=True):
    """Something to act on. A warning (exit code 0) keeps nobody from working."""

    exit_code: int
    code: str
    problem: str
    action: str


def gravest(findings: Iterable[Finding]) -> int:
    """The exit code: wrong configuration before a Redis that is away."""
    return max((finding.exit_code for finding in findings), default=0)


def lines(findings: Sequence[Finding]) -> list[str]:
    """Findings for people, in their order. Names in them may come from Redis."""
    return [
        line
        for finding in findings
        for line in (
            "",
            output.line(f"{'ERROR' if finding.exit_code else 'warning'} {finding.code}: {finding.problem}"),
            f"  -> {output.line(finding.action)}",
        )
    ]


def exposed(paths: Iterable[Path]) -> list[Finding]:
    """The files of secrets that every user of the machine may read.

    A warning only: Kubernetes mounts secrets like that, into a container that has one user.
    """
    return [
        Finding(0, "secret_exposed", f"every user of this machine may read {path}", f"chmod o-r {path}")
        for path in paths
        if path.is_file() and path.stat().st_mode & stat.S_IROTH and not _is_behind_closed_doors(path)
    ]


def _is_behind_closed_doors(path: Path) -> bool:
    """Whether a folder above lets nobody else in."""
    return any(not folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)
