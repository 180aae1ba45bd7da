"""The settings of ingest that a sender needs; `tests/ingest` tests the other rules for sources."""

import base64

import pytest

from hookbus.shared.listen import Listen
from hookbus.shared.secret import Secret
from hookbus.shared.settings import ConfigError
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
        ({"type_at": ""}, "type_at: '' is not names separated by dots"),
        ({"type_at": "$.type"}, "type_at: '$.type' is not names separated by dots"),
        ({"path": "/a/../b"}, "path: senders resolve its dots: write '/b'"),
        ({"path": "/a\tb"}, "path: must begin with '/' and hold only visible ASCII"),
        ({"types": ("order.*", "a*")}, "types: 'a*' is not a pattern: use an event type, 'prefix.*' or '*'"),
        ({"prefix": "partner"}, "prefix: 'partner' does not end in a dot: write prefix = \"partner.\""),
        ({"prefix": "batch."}, "prefix: 'batch.' begins as OpenAI's types do ('batch.')"),
    ],
)
def test_impossible_types_and_prefixes_are_problems(options, problem):
    (found,) = Endpoints(sources={"partner": source(**options)}).problems()
    assert f"ingest.sources.partner.{problem}" in found


@pytest.mark.parametrize(
    ("pattern", "options", "why"),
    [
        ("hookbus.*", {}, "is one of hookbus's own"),
        ("hookbus.verify.x", {"scheme": "standard"}, "is one of hookbus's own"),
        ("response.*", {"scheme": "standard", "prefix": ""}, "begins as OpenAI's types do"),
        ("batch.failed", {"scheme": "standard", "prefix": ""}, "begins as OpenAI's types do"),
        ("other.order.*", {"scheme": "standard", "prefix": ""}, "begins with the prefix of another source"),
        ("other.order.*", {}, "begins with the prefix of another source"),
    ],
)
def test_a_pattern_by_which_nothing_may_be_sent_is_a_problem(pattern, options, why):
    sources = {
        "mine": source(types=("order.*", pattern), **options),
        "other": source(path="/other", scheme="standard", secrets=(Secret("whsec_" + "QUJD" * 8),)),
    }
    [problem] = Endpoints(sources=sources).problems()
    assert problem.startswith(f"ingest.sources.mine.types: {pattern!r} {why}: it may not send such types")


@pytest.mark.parametrize("pattern", ["*", "response.*", "response", "hookbus", "partner.x.*", "other.x"])
def test_behind_a_prefix_all_other_patterns_can_be_right(pattern):
    assert Endpoints(sources={"partner": source(types=(pattern,), scheme="standard")}).problems() == []


@pytest.mark.parametrize("other", ["/w/a", "/w/a/", "/w//a", "//w/a"])
def test_paths_that_a_detour_may_reach_belong_to_one_source(other):
    sources = {"a": source(path="/w/a"), "b": source(path=other)}
    assert Endpoints(sources=sources).problems() == [f"ingest.sources.b.path: {other} is the path of ingest.sources.a"]


def test_a_prefix_that_comes_from_the_name_says_so():
    for name, why in (("n" * 64, "is not 2 to 64"), ("batch", "begins as OpenAI's types do"), ("a..b", "single dots")):
        [problem] = Endpoints(sources={name: source(scheme="standard")}).problems()
        assert f"prefix: '{name}.', from the name of the source, " in problem
        assert why in problem


def test_each_problem_is_named_once_and_all_are():
    sources = {"a": source(path="/a", prefix="x."), "b": source(path="/a", scheme="standard", prefix="x.")}
    path, prefix = Endpoints(sources=sources).problems()
    assert path == "ingest.sources.b.path: /a is the path of ingest.sources.a"
    assert prefix.startswith("ingest.sources.a.prefix: 'x.' clashes with 'x.' of ingest.sources.b")


def test_no_types_at_all_are_refused(tmp_path):
    file = tmp_path / "hookbus.toml"
    file.write_text(f"[ingest.sources.a]\npath = '/x'\nsecrets = ['{SECRET}']\ntypes = []")
    with pytest.raises(ConfigError, match=r"ingest\.sources\.a\.types: Expected `array` of length >= 1"):
        load_endpoints(file, {})


def test_each_entry_of_the_wrong_type_is_named_with_its_source(tmp_path):
    file = tmp_path / "hookbus.toml"
    file.write_text(
        "[ingest.sources]\n"
        "a = {path = '/a', type_at = ['type']}\n"
        "b = {path = '/b', type_path = 'type'}\n"
        f"c = {{path = '/c', public_keys = {['x'] * 5}}}\n"
        "d = 3\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_endpoints(file, {})
    assert caught.value.problems == [
        "ingest.sources.a.type_at: Expected `str`, got `array`",
        "ingest.sources.b: unknown key 'type_path'; did you mean type_at?",
        "ingest.sources.c.public_keys: Expected `array` of length <= 4",
        "ingest.sources.d: Expected `object`, got `int`",
    ]


def test_a_single_text_is_a_list_of_one(tmp_path):
    file = tmp_path / "hookbus.toml"
    file.write_text(f"[ingest.sources.a]\npath = '/x'\nsecrets = '{SECRET}'\ntypes = 'order.*'")
    found = load_endpoints(file, {}).sources["a"]
    assert (found.secrets, found.types) == ((SECRET,), ("order.*",))
