import json

import pytest

from hookbus.shared.source_names import configured

SECRET = {"OPENAI_WEBHOOK_SECRET": "whsec_x"}
TABLE = "[ingest.sources.partner]\npath = 3\nsecrets = 'file:/unreadable'\n"


@pytest.mark.parametrize(
    ("toml", "environ", "names"),
    [
        (TABLE, {}, {"partner"}),
        (TABLE, SECRET, {"partner", "openai"}),
        ("", SECRET, set()),  # of a program that verifies by itself, for all we know
        ("", {"HOOKBUS_INGEST_SOURCES": json.dumps({"org": {}})}, {"org"}),
        ("[ingest]\nsources = 3", {}, set()),
        ("[ingest]\nlisten = 1\nodd = 2\n" + TABLE, {}, {"partner"}),
        ("[", {}, set()),
    ],
)
def test_the_names_are_known_where_the_section_is(tmp_path, toml, environ, names):
    file = tmp_path / "hookbus.toml"
    file.write_text(toml)
    assert configured(file, environ) == names
    assert configured(tmp_path / "missing.toml", environ) in (frozenset(), frozenset(names))
