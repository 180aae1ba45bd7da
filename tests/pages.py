"""The pages of the project: sections, blocks of code and links, for tests that hold them against the code."""

import re
from pathlib import Path
from typing import Final

from tests.programs import ROOT

README: Final = ROOT / "README.md"
GUIDE: Final = ROOT / "worker/README.md"
INGEST: Final = ROOT / "ingest/README.md"
DATA: Final = ROOT / "shared/README.md"
PROOFS: Final = ROOT / "tests/README.md"
OPERATIONS: Final = ROOT / "deploy/OPERATIONS.md"
MONITORING: Final = ROOT / "deploy/MONITORING.md"
CONFIGURATION: Final = ROOT / "deploy/CONFIGURATION.md"

HOME: Final = "https://github.com/hookbus/hookbus/"
"""README's links begin so, as a package index shows it without the files beside it."""


def every() -> list[Path]:
    """Each page of the repository, but for what tools put there."""
    return sorted(
        page for page in ROOT.rglob("*.md") if not {part for part in page.relative_to(ROOT).parts if part[0] == "."}
    )


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def section(page: Path, heading: str) -> str:
    """What stands under a heading of the second level. Raises ValueError when there is none."""
    _, found, after = page.read_text().partition(f"\n## {heading}\n")
    if not found:
        raise ValueError(f"{page}: no section {heading!r}")
    return after.partition("\n## ")[0]


def codes(text: str) -> set[str]:
    """The words in backticks that could be codes or names."""
    return set(re.findall(r"`([a-z_]+)`", text))


def without_code(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[str]:
    """The targets of all links and images."""
    return re.findall(r"\]\(([^)\s]+)\)", without_code(page))


def anchors(page: Path) -> set[str]:
    """What can follow a '#' in a link to a page: its headings, as GitHub spells them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        number = sum(re.fullmatch(rf"{re.escape(plain)}(-\d+)?", one) is not None for one in found)
        found.add(f"{plain}-{number}" if number else plain)
    return found
