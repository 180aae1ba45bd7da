"""The names of all log events, read from the code: first arguments of calls to a logger."""

import ast
from collections.abc import Iterator

from tests.programs import ROOT

Variables = dict[str, list[ast.expr]]

LEVELS = ("debug", "info", "warning", "error", "exception", "level")
"""Methods of a logger, and the name of a variable that may hold one of them."""


def events() -> dict[str, set[str]]:
    """Event → levels. Raises AssertionError for a call whose event can't be read from the code."""
    found: dict[str, set[str]] = {}
    for package in ("ingest", "worker", "shared"):
        for path in sorted((ROOT / package).rglob("*.py")):
            nodes = list(ast.walk(ast.parse(path.read_text())))
            values = _variables(nodes)
            for node in nodes:
                if isinstance(node, ast.Call) and (level := _level(node.func)) and node.args:
                    names = list(_constants(node.args[0], values))
                    assert names, f"{path}:{node.lineno}: which event?"
                    for name in names:
                        found.setdefault(name, set()).add(level)
    return found


def _level(called: ast.expr) -> str:
    if isinstance(called, ast.Name):
        return called.id if called.id == "level" else ""
    if isinstance(called, ast.Attribute) and called.attr in LEVELS and "log" in ast.unparse(called.value):
        return called.attr
    return ""


def _variables(nodes: list[ast.AST]) -> Variables:
    """The values assigned to each variable, and the annotations of each parameter."""
    values: Variables = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            values.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.arg) and node.annotation is not None:
            values.setdefault(node.arg, []).append(node.annotation)
    return values


def _constants(value: ast.expr, values: Variables) -> Iterator[str]:
    if isinstance(value, ast.Constant):
        yield str(value.value)
    elif isinstance(value, ast.IfExp):
        yield from _constants(value.body, values)
        yield from _constants(value.orelse, values)
    elif isinstance(value, ast.Name) and value.id in values:
        for assigned in values[value.id]:
            yield from _constants(assigned, {})
    elif isinstance(value, ast.Subscript) and ast.unparse(value.value) == "Literal":
        names = value.slice.elts if isinstance(value.slice, ast.Tuple) else [value.slice]
        for name in names:
            yield from _constants(name, {})
