"""The settings of ingest that a sender needs; `tests/ingest` tests the other rules for sources."""

import base64

import pytest

from hookbus.shared.secret import Secret, key_bytes
from hookbus.shared.settings import ConfigError, Listen
from hookbus.shared.sources import Endpoints, Source, destination, load_endpoints

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER = "whsec_" + "QUJD" * 8
KEY = key_bytes(SECRET, "openai")
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


def test_the_destination_is_the_first_source_by_default():
    sources = {
        "a": Source(path="/a", secrets=(Secret(SECRET), Secret(OTHER))),
        "b": Source(path="/b", secrets=(Secret("QUJD" * 8),), scheme="standard"),
    }
    configured = Endpoints(sources=sources, listen=(Listen("0.0.0.0", 8080),))
    assert destination(configured) == ("http://127.0.0.1:8080/a", KEY)
    assert destination(configured, "b") == ("http://127.0.0.1:8080/b", b"ABC" * 8)
    assert destination(configured, "b", "https://x/y") == ("https://x/y", b"ABC" * 8)
    assert destination(None, url="http://x/", secret=SECRET) == ("http://x/", KEY)
    with pytest.raises(ValueError, match="no source 'c'; there are a, b"):
        destination(configured, "c")
    with pytest.raises(ValueError, match="http://"):
        destination(configured, "a", "ftp://x")
    with pytest.raises(ValueError, match="--url"):
        destination(Endpoints(listen=(Listen("127.0.0.1", 0),), sources=sources))
    with pytest.raises(ValueError, match="base64") as caught:
        destination(configured, "a", secret="whsec_%%%hunter2")
    assert "hunter2" not in str(caught.value)


def test_the_ipv6_wildcard_becomes_loopback_in_the_destination():
    configured = Endpoints(
        listen=(Listen("::", 8080),), sources={"openai": Source(path="/in", secrets=(Secret(SECRET),))}
    )
    assert destination(configured)[0] == "http://[::1]:8080/in"
