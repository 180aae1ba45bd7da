import re

from tests.console import picture
from tests.programs import ROOT


def test_the_picture_in_the_readme_is_of_the_pages_as_they_are():
    assert picture.DIGEST.read_text().strip() == picture.digest(), "out of date: make screenshots"
    assert picture.PICTURE.read_bytes().startswith(b"\x89PNG")
    assert str(picture.PICTURE.relative_to(ROOT)) in (ROOT / "README.md").read_text()


async def test_the_sample_fills_each_part_of_the_overview_the_same_each_time():
    pages = [(await picture.Sample().get("/")).text for _ in range(2)]
    first, second = (re.sub(r' data-age="[^"]*"', "", page) for page in pages)
    assert first == second
    for words in ("breaker open", "production", "wh_68f1c2a01e", "dlq redrive", "As of 22:51:07 UTC", "KeyError"):
        assert words in first, words
