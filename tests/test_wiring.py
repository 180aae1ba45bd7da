"""No call unpacks a literal: a reader can match each argument with its parameter."""

import ast
from collections.abc import Iterator

import pytest

from tests.programs import ROOT

FOLDERS = ("ingest", "worker", "shared", "deploy", "tests")
FILES = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))


def unpacked(source: str) -> Iterator[int]:
    """The lines at which a tuple or list literal is unpacked."""
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
def test_unpacking_other_expressions_is_allowed(source):
    assert not list(unpacked(source))


def test_no_literal_is_unpacked():
    found = {str(file.relative_to(ROOT)): list(unpacked(file.read_text())) for file in FILES}
    assert {name: lines for name, lines in found.items() if lines} == {}
