import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from hookbus.shared import shell
from tests.wait import PATIENCE_S

NO_NUL = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


def test_plain_words_are_quoted_as_everybody_does_and_hidden_characters_are_escapes():
    assert shell.command(["dlq", "show", "it's", ""]) == """dlq show 'it'"'"'s' ''"""
    assert shell.command(["wh_\x1b'\\\u202e"]) == r"$'wh_\x1b\'\\\xe2\x80\xae'"
    assert shell.command(["\ud800"]) == r"$'\xed\xa0\x80'"


@given(st.lists(st.text(NO_NUL, max_size=20), max_size=3))
@settings(max_examples=30, deadline=None)
def test_bash_reads_the_words_again(words):
    text = shell.command(["printf", r"%s\0", *words])
    assert text.isprintable()
    printed = subprocess.run(["bash", "-c", text], capture_output=True, check=True, timeout=PATIENCE_S).stdout
    assert printed == b"".join(word.encode() + b"\0" for word in words or [""])
