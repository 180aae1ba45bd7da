"""Writes CONFIGURATION.md, the reference of all settings: `python -m deploy.configuration`, or `make configuration`.

Everything in it comes from the settings structs: keys, defaults and bounds from their fields, the meaning from the text
below each field. A test fails while the page differs.
"""

import ast
import inspect
import itertools
import sys
import types
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec

from hookbus.ingest.settings import IngestSettings
from hookbus.shared.listen import Listen
from hookbus.shared.settings import Common
from hookbus.shared.sources import Source
from hookbus.worker.settings import WorkerSettings

PAGE: Final = Path(__file__).with_name("CONFIGURATION.md")
INTRO: Final = """\
# Configuration reference

For those who configure hookbus: every key, generated from the code by `make configuration`.
[The guide](../ingest/README.md#configuration) describes how files, variables and secrets work together.

The variable of `redis_url` is `HOOKBUS_REDIS_URL`, that of `ingest.listen` is `HOOKBUS_INGEST_LISTEN`, and so on. In
`hookbus.toml` top-level keys come first; `[ingest]` and `[worker]` hold the others. In a variable, tables and lists are
JSON: `HOOKBUS_INGEST_SOURCES='{"partner": {"path": "/webhooks/partner", "secrets": ["file:/run/secrets/partner"]}}'`.
The command line wins over variables, variables over the file, and the file over the defaults.
"""
_BOUNDS: Final = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}"}
_WORDS: Final[dict[Any, str]] = {
    str: "text",
    bool: "`true`, `false`",
    int: "whole number",
    float: "number",
    Listen: "`host:port`",
}


def page() -> str:
    """The whole page."""
    programs = (
        ("Both programs", "", Common, ()),
        ("hookbus-ingest", "ingest.", IngestSettings, Common.__struct_fields__),
        ("A source", "ingest.sources.NAME.", Source, ()),
        ("hookbus-worker", "worker.", WorkerSettings, Common.__struct_fields__),
    )
    return "\n".join([INTRO, *("\n".join(_table(*program)) for program in programs)])


def _table(heading: str, prefix: str, cls: type[msgspec.Struct], without: tuple[str, ...]) -> list[str]:
    meanings = _meanings(cls)
    rows = [
        f"| `{prefix}{field.name}` | {_default(field)} | {_values(field.type)} | {meanings[field.name]} |"
        for field in msgspec.structs.fields(cls)
        if field.name not in without
    ]
    return [f"## {heading}", "", "| key | default | values | meaning |", "|---|---|---|---|", *rows, ""]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else None
    items = value if isinstance(value, tuple) else (value,)
    shown = ", ".join(str(item).lower() if isinstance(item, bool) else _plain(item) for item in items)
    return f"`{shown}`" if shown else "none"


def _plain(value: Any) -> str:
    """A value as text: a whole number without its fraction, None as an empty string."""
    return "" if value is None else str(value).removesuffix(".0")


def _values(kind: Any) -> str:
    """The values of a key, in words."""
    origin = get_origin(kind)
    if origin is Annotated:
        kind, *metas = get_args(kind)
        return " ".join([_values(kind), *(bound for meta in metas for bound in _bounds(meta))])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if origin is tuple:
        return f"{_values(get_args(kind)[0])}, one or more"
    return _WORDS.get(kind) or ("tables" if origin is dict else "text")


def _bounds(meta: msgspec.Meta) -> list[str]:
    return [form.format(value) for name, form in _BOUNDS.items() if (value := getattr(meta, name)) is not None]


def _meanings(cls: type[msgspec.Struct]) -> dict[str, str]:
    """The text below each field in the source, on one line, by the field's name."""
    meanings: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        module = sys.modules[base.__module__]
        if base is msgspec.Struct or not issubclass(base, msgspec.Struct):
            continue
        meanings |= _texts(module, base.__name__)
    return meanings


def _texts(module: types.ModuleType, name: str) -> dict[str, str]:
    nodes = ast.parse(inspect.getsource(module)).body
    [body] = [node.body for node in nodes if isinstance(node, ast.ClassDef) and node.name == name]
    pairs = itertools.pairwise(body)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairs
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


if __name__ == "__main__":
    PAGE.write_text(page())
