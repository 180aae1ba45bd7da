"""The pages of the project: sections, code blocks and links, for tests that compare them with the code."""

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
"""The start of links in the README: a package index shows it without the other files."""


def every() -> list[Path]:
    """All pages of the repository outside of hidden folders."""
    return sorted(
        page for page in ROOT.rglob("*.md") if not {part for part in page.relative_to(ROOT).parts if part[0] == "."}
    )


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def section(page: Path, heading: str) -> str:
    """The text below a heading of the second level. Raises ValueError without such a heading."""
    _, found, after = page.read_text().partition(f"\n## {heading}\n")
    if not found:
        raise ValueError(f"{page}: no section {heading!r}")
    return after.partition("\n## ")[0]


def codes(text: str) -> set[str]:
    """The words in backticks that could be codes or names."""
    return set(re.findall(r"`([a-z_]+)`", text))


def without_code(page: Path) -> str:
    """The text of a page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[str]:
    """The targets of all links and images."""
    return re.findall(r"\]\(([^)\s]+)\)", without_code(page))


def anchors(page: Path) -> set[str]:
    """The anchors of a page: its headings, as GitHub converts them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        number = sum(re.fullmatch(rf"{re.escape(plain)}(-\d+)?", anchor) is not None for anchor in found)
        found.add(f"{plain}-{number}" if number else plain)
    return found
