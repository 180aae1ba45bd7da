import re

import pytest

from tests.console import picture, sample
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


FITS = """() => {
    const box = selector => document.querySelector(selector).getBoundingClientRect()
    document.querySelectorAll(".nav .count").forEach(node => { node.textContent = "999k" })
    const nav = document.querySelector(".nav"), scroll = document.querySelector("[aria-label=Groups] .scroll")
    const cells = [...document.querySelectorAll(".matrix tbody tr:nth-last-child(2) .cell")]
    const widths = cells.map(node => node.getBoundingClientRect().width)
    return {
        bar: box(".bar").height, counts: document.querySelectorAll(".nav .count").length,
        hidden: nav.scrollWidth - nav.clientWidth, cut: scroll.scrollWidth - scroll.clientWidth,
        uneven: Math.max(...widths) - Math.min(...widths) > 0.5, cells: cells.length,
        free: box("[aria-label='Groups and event types']").right - cells.at(-1).getBoundingClientRect().right,
    }
}"""
"""On the row of the group that subscribes to all types."""
MOST_FREE_PX = 90
"""Beside the last column, whose slanted name hangs over."""


@pytest.mark.slow
@pytest.mark.needs("chromium")
async def test_a_wide_screen_is_filled_by_one_row_of_navigation_all_figures_of_groups_and_columns_alike():
    async with picture.overview() as page:
        for width in (1241, 1280, 1399, 1400, 1440, 1680):
            await page.set_viewport_size({"width": width, "height": 900})
            found = await page.evaluate(FITS)
            assert found.pop("free") < MOST_FREE_PX, width
            fits = {"bar": 46, "counts": 5, "hidden": 0, "cut": 0, "uneven": False, "cells": len(sample.TYPES)}
            assert found == fits, width
