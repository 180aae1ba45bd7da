"""The settings of ingest that a sender needs; `tests/ingest` tests the other rules for sources."""

import base64

import pytest

from hookbus.shared.secret import Secret
from hookbus.shared.settings import ConfigError, Listen
from hookbus.shared.sources import Endpoints, Source, load_endpoints

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
VARIABLE = {"OPENAI_WEBHOOK_SECRET": SECRET}


def test_other_settings_of_ingest_are_ignored_and_common_ones_are_checked(tmp_path):
    file = tmp_path / "hookbus.toml"
    file.write_text('[ingest]\nlisten = ":81"\nbatch_size = 0\nno_such = 1\n[worker]\nx = 1\n')
    environ = VARIABLE | {"HOOKBUS_INGEST_DEDUPE_WINDOW_H": "1"}
    found = load_endpoints(file, environ)
    assert (found.listen, list(found.sources)) == ((Listen("0.0.0.0", 81),), ["openai"])
    file.write_text(
        "shards = 0\nodd = 1\n[ingest]\nshards = 2\nlisten = 1\n[ingest.sources.a]\npath = 'x'\nsecrets = ['s']"
    )
    with pytest.raises(ConfigError) as caught:
        load_endpoints(file, {"HOOKBUS_X": "1"})
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "odd", "HOOKBUS_X", "shards", "ingest.listen",
    ]  # fmt: skip


def test_bad_sources_are_refused_here_too(tmp_path):
    file = tmp_path / "hookbus.toml"
    file.write_text("[ingest.sources.a]\npath = 'x'\nsecrets = ['short']")
    with pytest.raises(ConfigError) as caught:
        load_endpoints(file, {})
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "ingest.sources.a.path", "ingest.sources.a.secrets[0]",
    ]  # fmt: skip


def test_without_a_source_the_error_names_the_variable():
    with pytest.raises(ConfigError, match="set OPENAI_WEBHOOK_SECRET"):
        Endpoints().required()


def source(**options) -> Source:
    return Source(**{"path": "/in", "secrets": (Secret(SECRET),)} | options)


@pytest.mark.parametrize(
    ("options", "prefix"),
    [
        ({}, ""),
        ({"scheme": "standard"}, "partner."),
        ({"scheme": "standard", "prefix": ""}, ""),
        ({"scheme": "standard", "prefix": "other."}, "other."),
        ({"prefix": "second."}, "second."),
    ],
)
def test_every_source_but_openais_has_its_name_as_prefix(options, prefix):
    assert source(**options).owner("partner").prefix == prefix


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"type_at": ""}, "type_at: names separated by dots"),
        ({"type_at": "data..type"}, "type_at: names separated by dots"),
        ({"types": ("order.*", "a*")}, "types: 'a*' is not a pattern: use an event type, 'prefix.*' or '*'"),
        ({"prefix": "partner"}, "prefix: 'partner' does not end in a dot: write prefix = \"partner.\""),
        ({"prefix": "batch."}, "prefix: 'batch.' begins as OpenAI's types do ('batch.')"),
    ],
)
def test_impossible_types_and_prefixes_are_problems(options, problem):
    (found,) = Endpoints(sources={"partner": source(**options)}).problems()
    assert f"ingest.sources.partner.{problem}" in found


def test_each_problem_is_named_once_and_all_are():
    sources = {"a": source(path="/a", prefix="x."), "b": source(path="/a", scheme="standard", prefix="x.")}
    path, prefix = Endpoints(sources=sources).problems()
    assert path == "ingest.sources.b.path: /a is taken by a"
    assert prefix.startswith("ingest.sources.a.prefix: 'x.' clashes with 'x.' of ingest.sources.b")


def test_no_types_at_all_are_refused(tmp_path):
    file = tmp_path / "hookbus.toml"
    file.write_text(f"[ingest.sources.a]\npath = '/x'\nsecrets = ['{SECRET}']\ntypes = []")
    with pytest.raises(ConfigError, match=r"types: Expected `array` of length >= 1"):
        load_endpoints(file, {})


def test_a_single_text_is_a_list_of_one(tmp_path):
    file = tmp_path / "hookbus.toml"
    file.write_text(f"[ingest.sources.a]\npath = '/x'\nsecrets = '{SECRET}'\ntypes = 'order.*'")
    found = load_endpoints(file, {}).sources["a"]
    assert (found.secrets, found.types) == ((SECRET,), ("order.*",))
