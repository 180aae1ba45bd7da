"""No call squeezes its arguments: a reader can match each with the parameter that takes it."""

import ast
from collections.abc import Iterator

import pytest

from tests.programs import ROOT

FOLDERS = ("ingest", "worker", "shared", "deploy", "tests")
FILES = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))


def unpacked(source: str) -> Iterator[int]:
    """The lines where a tuple or list that is written out is unpacked where it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Starred) and isinstance(node.value, ast.Tuple | ast.List):
            yield node.lineno


@pytest.mark.parametrize("source", ["f(*(a, b), *(c, d))", "x = [*(1, 2), 3]", "f(a, *[b, c])", "x = 1, *(2, 3)"])
def test_an_unpacked_literal_is_found(source):
    assert list(unpacked(source))


@pytest.mark.parametrize(
    "source",
    [
        "f(*args)",
        "f(*(x for x in y))",
        "x = (*a, *b)",
        "x = [*([a] if b else [])]",
        "def f(a, *, b): pass",
        "f(*[a] * 3)",
    ],
)
def test_unpacking_what_is_made_elsewhere_is_fine(source):
    assert not list(unpacked(source))


def test_no_literal_is_unpacked():
    found = {str(file.relative_to(ROOT)): list(unpacked(file.read_text())) for file in FILES}
    assert {name: lines for name, lines in found.items() if lines} == {}
