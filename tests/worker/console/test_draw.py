import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.worker.console import draw
from tests.programs import ROOT

CONSOLE = ROOT / "worker/console"


@given(st.text(st.characters(), max_size=80))
def test_a_text_is_shown_without_markup_and_without_hidden_characters(text):
    for shown in (draw.marked(text), draw.visible(text)):
        assert draw.HIDDEN.search(shown) is None
        shown.encode()
    assert re.sub(r'<span class="ctl">[^<]*</span>', "", draw.marked(text)).count("<") == 0


def test_hidden_characters_are_shown_by_their_code():
    assert draw.marked("a\x1b[31m\u202eb\ud800") == (
        'a<span class="ctl">\\x1b</span>[31m<span class="ctl">U+202E</span>b<span class="ctl">U+D800</span>'
    )
    assert draw.visible("\u200bpaypal") == "U+200Bpaypal"
    assert draw.visible(draw.marked("<b>")) == "&lt;b&gt;"
    assert draw.visible(7) == 7


def test_a_hidden_field_is_plain_unless_a_form_would_change_it():
    assert draw.hidden('"><b> *', "id") == '<input type="hidden" name="id" value="&#34;&gt;&lt;b&gt; *">'
    assert draw.hidden("a\r\n\x00%", "id") == '<input type="hidden" name="id*" value="a%0D%0A%00%25">'


def test_a_path_holds_any_text():
    assert draw.path("a/../b?c#d\ud800") == "a%2F..%2Fb%3Fc%23d%ED%A0%80"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (59.9, "59 s"),
        (60, "1 m"),
        (372, "6 m 12 s"),
        (3600, "1 h"),
        (792_000, "9 d 4 h"),
        (1109 * 86_400, "3 y 14 d"),
    ],
)
def test_ages_have_two_units_at_most(seconds, text):
    assert draw.age(seconds) == text


def test_numbers_and_sizes_fit_into_their_cells():
    assert [draw.compact(n) for n in (0, 812, 1900, 18_204, 999_999, 2_100_000)] == [
        "0", "812", "1.9k", "18k", "1000k", "2.1M",
    ]  # fmt: skip
    assert [draw.size(n) for n in (1, 318, 65_536, 1_258_291)] == ["1 byte", "318 bytes", "64 KiB", "1.2 MiB"]
    assert [draw.duration(ms) for ms in (0.94, 12, 1900)] == ["0.9 ms", "12 ms", "1.9 s"]
    assert [draw.rate(n) for n in (0.15, 48.25, 1204.4)] == ["0.1", "48.2", "1,204"]
    assert [draw.bound(s) for s in (None, 0.025, 2.5, float("inf"))] == ["–", "≤ 25 ms", "≤ 2.5 s", "> 1 m"]
    assert draw.moment(1_795_819_867_055) == "2026-11-27 22:51:07.055"


@given(st.lists(st.floats(0, 1e12), max_size=100))
def test_a_plot_stays_in_its_box(values):
    drawn = draw.spark(values, "c-ok")
    numbers = [float(n) for n in re.findall(r"[ML ](\d+(?:\.\d)?)(?=[ L\"Z])", drawn)]
    assert numbers
    assert max(numbers) <= max(draw.WIDTH, draw.HEIGHT)


def test_a_plot_of_a_constant_is_neither_high_nor_low_and_one_of_nothing_lies_on_the_ground():
    heights = [re.search(r'<path d="M0\.0 (\d+\.\d)', draw.spark([value] * 5, "c-ok"))[1] for value in (7, 0)]
    assert heights == ["14.0", "26.0"]


def test_only_this_file_makes_markup_and_no_template_has_inline_style_or_script():
    for file in CONSOLE.rglob("*.py"):
        if file.name != "draw.py":
            assert "Markup(" not in file.read_text(), file
    for file in (CONSOLE / "templates").iterdir():
        text = file.read_text()
        assert "|safe" not in text.replace(" ", ""), file
        assert "autoescape" not in text, file
        assert not re.search(
            r"<(style|script(?! type=\"module\" blocking=\"render\" src=))|\sstyle=|\son[a-z]+=|javascript:", text
        ), file
