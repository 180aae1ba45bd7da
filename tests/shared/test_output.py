import json
import os
import pty
import subprocess
import sys

import pytest

from hookbus.shared import output
from tests.programs import ROOT
from tests.wait import PATIENCE_S

CONTROL_CHARACTERS = [
    "\x1b[2J",
    "\x07",
    "\r",
    "\x7f",
    "\x9b2J",
    "\x85",
    "\u2028",
    "\u202e",
    "\u2066",
    "\u200f",
    "\u061c",
    "\ufeff",
]


@pytest.mark.parametrize("text", [*CONTROL_CHARACTERS, "\ud800"], ids=ascii)
def test_control_characters_are_escaped(text):
    for escaped in (output.printable(f"a{text}b"), output.line(f"a{text}b"), output.one_line(f"a{text}b")):
        assert escaped == f"a{text.encode('unicode_escape').decode().replace(chr(27), '')}b"
        assert escaped.isprintable()


def test_a_field_is_one_line_whatever_ends_a_line():
    assert output.one_line("a\nb\r\nc\td") == "a\\nb\\r\\nc d"
    assert output.line("first\r\nsecond") == "first\\r"
    assert output.printable("a\n\tb") == "a\n\tb"


def printed(code: str, *, on_terminal: bool) -> str:
    """The standard output of a program."""
    program = [sys.executable, "-c", f"from hookbus.shared import output\n{code}"]
    if not on_terminal:
        return subprocess.run(program, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode()
    terminal, program_end = pty.openpty()
    with subprocess.Popen(program, cwd=ROOT, stdout=program_end) as process:
        os.close(program_end)
        data = b""
        while not data.endswith(b"\n"):
            data += os.read(terminal, 10_000)
        assert process.wait(PATIENCE_S) == 0
    os.close(terminal)
    return data.decode().replace("\r\n", "\n")


def test_json_on_a_terminal_is_escaped_and_has_the_same_value():
    value = {text: f"x{text}y\n" for text in CONTROL_CHARACTERS}
    code = f"output.print_json({value!a})"
    piped, escaped = printed(code, on_terminal=False), printed(code, on_terminal=True)
    assert json.loads(piped) == json.loads(escaped) == value
    assert "\u202e" in piped
    assert escaped.removesuffix("\n").isprintable()


def test_a_reader_that_left_is_detected_without_a_write():
    code = "import time\nwhile True: output.require_reader(); time.sleep(0.05)"
    program = [sys.executable, "-c", f"from hookbus.shared import output\nprint('ready', flush=True)\n{code}"]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert process.poll() is None
        process.stdout.close()
        assert process.stderr is not None
        assert b"BrokenPipeError" in process.stderr.read()


def test_without_a_standard_output_nothing_is_printed_and_bytes_are_refused():
    code = (
        "import sys; sys.stdout.close(); sys.stdout = sys.stdin = None\n"
        "output.print_json(1); output.require_reader(); assert not output.can_ask()\n"
        "from hookbus.shared.command import FailedError\n"
        "for ask in (output.bytes_in, output.bytes_out):\n"
        "    try: ask()\n"
        "    except FailedError as error: assert 'is closed' in str(error)\n"
        "    else: raise SystemExit(1)\n"
    )
    assert printed(code, on_terminal=False) == ""


LINES = [
    ("warning no_worker: billing has no live worker", ["warning no_worker:", "    billing has no live", "    worker"]),
    ("  -> start its workers again", ["  -> start its workers", "     again"]),
    ("group        billing: 3 backlog", ["group        billing: 3", "             backlog"]),
    ("response.output_text.delta.done-x", ["response.output_text.delta.done-x"]),
    ("", [""]),
]


@pytest.mark.parametrize(("line", "parts"), LINES)
def test_a_line_is_wrapped_at_blanks_below_its_text_and_no_word_is_broken(line, parts):
    assert output.wrapped(line, 24) == parts


def test_lines_that_are_piped_are_not_wrapped(capsys):
    output.print_lines(["word " * 50, "x"])
    assert capsys.readouterr().out == "word " * 50 + "\nx\n"
