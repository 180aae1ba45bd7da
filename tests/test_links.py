"""Every link into the repository has a target: relative ones, absolute ones of README, and their anchors."""

import re
from pathlib import Path

import pytest

from tests import pages
from tests.programs import ROOT

INTO_THE_REPOSITORY = re.compile(
    r"https://(?:github\.com/hookbus/hookbus/(?:blob|tree)|raw\.githubusercontent\.com/hookbus/hookbus)/main/(.*)"
)


def leads_to(page: Path, link: str) -> Path | None:
    """The file that a link without its anchor names; None for one that leads out of the repository."""
    if found := INTO_THE_REPOSITORY.fullmatch(link):
        return ROOT / found[1]
    if "://" in link or link.startswith("mailto:"):
        return None
    return page.parent / link if link else page


def problem_of(page: Path, link: str) -> str:
    """Why a link has no target; "" if it has one."""
    path, _, anchor = link.partition("#")
    file = leads_to(page, path)
    if file is None:
        return ""
    if not file.exists():
        return f"{link}: no such file"
    if anchor and anchor not in pages.anchors(file):
        return f"{link}: no such heading; there are {', '.join(sorted(pages.anchors(file)))}"
    return ""


@pytest.mark.parametrize("page", pages.every(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_into_the_repository_has_a_target(page):
    assert [problem for link in pages.links(page) if (problem := problem_of(page, link))] == []


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("deploy/REDME.md", "no such file"),
        ("https://github.com/hookbus/hookbus/blob/main/deploy/REDME.md", "no such file"),
        ("https://raw.githubusercontent.com/hookbus/hookbus/main/no.png", "no such file"),
        ("deploy/README.md#upgrades", "no such heading"),
        ("#quick-starts", "no such heading"),
        ("#quick-start", ""),
        ("deploy/README.md#upgrade", ""),
        ("https://example.com/no#thing", ""),
    ],
)
def test_a_link_without_a_target_is_detected(link, problem):
    assert problem in problem_of(pages.README, link)
    assert bool(problem) == bool(problem_of(pages.README, link))


def test_readme_has_no_relative_links():
    assert [link for link in pages.links(pages.README) if "://" not in link and not link.startswith("#")] == []


def test_every_page_can_be_reached_from_readme():
    reached, waiting = set(), [pages.README]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        for link in pages.links(page):
            file = leads_to(page, link.partition("#")[0])
            if file is not None:
                waiting.append((file / "README.md" if file.is_dir() else file).resolve())
    assert set(pages.every()) <= reached
