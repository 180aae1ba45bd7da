from rich.text import Text

from hookbus.worker.cli import blocks


def test_lines_wrap_below_each_other_and_hold_no_control_characters(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    blocks.show([blocks.block(Text("a name"), ["word " * 8, "\x1b[31m\nred"])])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["a name", "  word word word word word", "  word word word", r"  \x1b[31m\nred"]
