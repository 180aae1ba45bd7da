"""The loader that both programs share; the rules of each program's own settings are tested in its folder."""

import subprocess
import sys
from typing import Annotated

import msgspec
import pytest

from hookbus.shared.address import RedisUrl
from hookbus.shared.listen import Listen
from hookbus.shared.settings import Common, ConfigError, Count, Option, load
from tests.programs import ROOT

SERVICE_LINKS = {
    "HOOKBUS_INGEST_SERVICE_HOST": "10.0.0.1",
    "HOOKBUS_INGEST_SERVICE_PORT": "8080",
    "HOOKBUS_INGEST_SERVICE_PORT_HTTP": "8080",
    "HOOKBUS_INGEST_PORT": "tcp://10.0.0.1:8080",
    "HOOKBUS_INGEST_PORT_8080_TCP": "tcp://10.0.0.1:8080",
    "HOOKBUS_INGEST_PORT_8080_TCP_PROTO": "tcp",
    "HOOKBUS_INGEST_PORT_8080_TCP_PORT": "8080",
    "HOOKBUS_INGEST_PORT_8080_TCP_ADDR": "10.0.0.1",
    "HOOKBUS_REDIS_SERVICE_HOST": "10.0.0.2",
    "HOOKBUS_REDIS_PORT_6379_TCP": "tcp://10.0.0.2:6379",
    "HOOKBUS_PORT": "tcp://10.0.0.3:80",
}


class Example(Common, frozen=True, kw_only=True):
    least: Count = 1
    most: Annotated[int, msgspec.Meta(ge=1)] = 9
    names: list[str] = []  # noqa: RUF012
    listen: Listen = Listen("127.0.0.1", 1)
    is_on: bool = False

    def problems(self) -> list[str]:
        found = super().problems()
        if self.least > self.most:
            found.append("worker.least: above worker.most")
        return found


def loaded(tmp_path, toml="", environ=None, **overrides) -> Example:
    file = tmp_path / "some.toml"
    file.write_bytes(toml if isinstance(toml, bytes) else toml.encode())
    return load(Example, "worker", file, environ or {}, {key: Option("--x", value) for key, value in overrides.items()})


def problems(tmp_path, toml="", environ=None, **overrides) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, toml, environ, **overrides)
    assert str(caught.value) == "; ".join(caught.value.problems)
    return caught.value.problems


def test_without_a_file_and_variables_the_defaults_apply(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load(Example, "worker", None, {}) == Example()


def test_hookbus_toml_is_read_if_it_exists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hookbus.toml").write_text("shards = 3\n[worker]\nleast = 2")
    found = load(Example, "worker", None, {})
    assert (found.shards, found.least) == (3, 2)


def test_variables_override_the_file_and_options_override_both(tmp_path):
    toml = "shards = 2\n[worker]\nleast = 2\nmost = 20"
    environ = {"HOOKBUS_SHARDS": "3", "HOOKBUS_WORKER_LEAST": "3"}
    found = loaded(tmp_path, toml, environ, shards=4, least=None)
    assert (found.shards, found.least, found.most) == (4, 3, 20)


def test_variables_are_text_and_toml_has_types(tmp_path):
    environ = {"HOOKBUS_WORKER_IS_ON": "true", "HOOKBUS_WORKER_NAMES": '["a"]', "HOOKBUS_WORKER_LISTEN": ":2"}
    found = loaded(tmp_path, environ=environ)
    assert (found.is_on, found.names, found.listen) == (True, ["a"], Listen("0.0.0.0", 2))
    assert problems(tmp_path, "[worker]\nis_on = 1")[0].startswith("worker.is_on: Expected `bool`")


def test_a_value_that_is_none_of_its_choices_is_told_them(tmp_path):
    (problem,) = problems(tmp_path, 'log_level = "warn"')
    assert problem == "log_level: 'warn' is none of: debug, info, warning, error; did you mean warning?"


def test_section_and_variables_of_the_other_program_are_ignored(tmp_path):
    toml = "[ingest]\nwhatever = 1\n[worker]\nleast = 2"
    assert loaded(tmp_path, toml, {"HOOKBUS_INGEST_WHATEVER": "1"}).least == 2


def test_kubernetes_service_links_are_ignored(tmp_path):
    own = {name.replace("INGEST", "WORKER"): value for name, value in SERVICE_LINKS.items()}
    assert loaded(tmp_path, environ=SERVICE_LINKS | own | {"PATH": "/bin"}) == Example()


@pytest.mark.parametrize(("name", "meant"), [
    ("HOOKBUS_NONSENSE", ""),
    ("HOOKBUS_WORKER_NONSENSE", ""),
    ("HOOKBUS_LEAST", "; did you mean HOOKBUS_WORKER_LEAST?"),
    ("HOOKBUS_WORKER_LESAT", "; did you mean HOOKBUS_WORKER_LEAST?"),
    ("HOOKBUS_WORKER_SHARDS", "; did you mean HOOKBUS_SHARDS?"),
    ("HOOKBUS_", ""),
])  # fmt: skip
def test_an_unknown_variable_is_a_problem_and_the_nearest_is_named(tmp_path, name, meant):
    assert problems(tmp_path, environ={name: "1"}) == [f"{name}: unknown variable{meant}"]


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        ("nonsense = 1", "nonsense"),
        ("least = 1", "least"),
        ("[nonsense]\na = 1", "nonsense"),
        ("[worker]\nnonsense = 1", "worker.nonsense"),
        ("[worker]\nshards = 1", "worker.shards"),
        ("[worker]\nleast = 0", "worker.least"),
        ('[worker]\nleast = "2x"', "worker.least"),
        ("[worker]\nnames = [1]", "worker.names[0]"),
        ("[worker]\nleast = 3\nmost = 2", "worker.least"),
        ("shards = 65", "shards"),
        ('log_level = "loud"', "log_level"),
    ],
)
def test_a_problem_begins_with_its_key(tmp_path, toml, key):
    (problem,) = problems(tmp_path, toml)
    assert problem.startswith(f"{key}: ")


@pytest.mark.parametrize("toml", ["a = ", "[a", b"\xff"])
def test_a_file_that_is_not_toml_is_named(tmp_path, toml):
    (problem,) = problems(tmp_path, toml)
    assert problem.startswith(f"{tmp_path / 'some.toml'}: not TOML")


def test_a_given_file_must_exist(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load(Example, "worker", tmp_path / "none.toml", {})
    with pytest.raises(ConfigError, match="directory"):
        load(Example, "worker", tmp_path, {})


def test_a_variable_names_the_file_unless_one_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hookbus.toml").write_text("shards = 2")
    (tmp_path / "machine.toml").write_text("shards = 3")
    environ = {"HOOKBUS_CONFIG": str(tmp_path / "machine.toml")}
    assert load(Example, "worker", None, environ).shards == 3
    assert load(Example, "worker", tmp_path / "hookbus.toml", environ).shards == 2
    assert load(Example, "worker", None, {"HOOKBUS_CONFIG": ""}).shards == 2
    with pytest.raises(ConfigError, match="No such file"):
        load(Example, "worker", None, {"HOOKBUS_CONFIG": "none.toml"})


def test_a_section_must_be_a_table(tmp_path):
    (problem,) = problems(tmp_path, "worker = 1")
    assert "[worker] must be a table" in problem


def test_all_problems_are_reported_together(tmp_path):
    found = problems(tmp_path, "a = 1\n[worker]\nleast = 0\nmost = 0", {"HOOKBUS_B": ""})
    assert [problem.split(":")[0] for problem in found] == ["a", "HOOKBUS_B", "worker.least", "worker.most"]


@pytest.mark.parametrize(
    "url",
    [
        "redis://h", "redis://h:1/2", "rediss://u:p%2Fq@h:1/0", "redis://:pw@h", "redis://[::1]:1/0",
        "unix:///run/r@1/s.sock", "unix:///run/s@1.sock", "redis://h?db=2", "rediss://h?db=2",
    ],
)  # fmt: skip
def test_a_valid_redis_url_is_accepted(tmp_path, url):
    assert loaded(tmp_path, environ={"HOOKBUS_REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://h", "must begin with"),
        ("h:6379", "must begin with"),
        ("'redis://h'", "must begin with"),
        ("redis://h/prod", "only a database number"),
        ("redis://h:1/0x", "only a database number"),
        ("redis://h/0/1", "only a database number"),
        ("rediss://h/prod?db=1", "only a database number"),
        ("redis://:hun#ter@h", "%23"),
        ("redis://:hun/ter@h", "percent-encoded"),
        ("redis://:hunter@h:x", "is invalid"),
        ("redis://h:99999", "is invalid"),
        ("redis://h?db=x", "is invalid"),
        ("redis://h?nonsense=1", "unknown option 'nonsense'"),
    ],
)
def test_a_bad_redis_url_is_refused_without_its_password(tmp_path, url, message):
    (problem,) = problems(tmp_path, environ={"HOOKBUS_REDIS_URL": url})
    assert problem.startswith("HOOKBUS_REDIS_URL: ")
    assert message in problem
    assert "hun" not in problem


def test_a_password_never_shows_in_a_repr():
    found = Example(redis_url=RedisUrl("redis://:hunter2@h"))
    assert "hunter2" not in repr(found)
    assert "redis://:***@h" in repr(found)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("a:1", "a", 1), (":1", "0.0.0.0", 1), ("[::1]:1", "::1", 1), ("127.0.0.1:0", "127.0.0.1", 0)],
)
def test_an_address_is_parsed_and_printed(text, host, port):
    found = Listen.parse(text)
    assert (found.host, found.port) == (host, port)
    assert Listen.parse(str(found)) == found


@pytest.mark.parametrize("text", ["", "a", "1", "a:", "a:b", "a:65536", "a:-1", "a:１"])
def test_an_invalid_address_is_refused(text):
    with pytest.raises(ValueError, match="host:port"):
        Listen.parse(text)


@pytest.mark.parametrize("byte_order_mark", ["", "\ufeff"])
def test_files_are_utf8_in_any_locale_with_or_without_a_mark(tmp_path, byte_order_mark):
    (tmp_path / "url").write_bytes(f"{byte_order_mark}redis://:h\u00fcnter@h/1\n".encode())
    (tmp_path / "hookbus.toml").write_bytes(
        f'{byte_order_mark}# gr\u00fc\u00df\nredis_url = "file:{tmp_path}/url"\n'.encode()
    )
    program = (
        "from pathlib import Path; from hookbus.shared.settings import *; import locale;"
        "from hookbus.shared import scripts;"
        "print(ascii(str(load(Common, 'worker', Path('hookbus.toml')).redis_url)));"
        "[scripts.Script.load(p.stem) for p in Path(scripts.__file__).parent.glob('lua/*.lua')]"
    )
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning", "-c", program],
        cwd=tmp_path, env=ascii_only, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("'redis://:h\\xfcnter@h/1'", "")


def test_the_redis_url_can_be_a_file_reference(tmp_path):
    file = tmp_path / "url"
    file.write_text("redis://:hunter2@host:1/0\n")
    assert loaded(tmp_path, environ={"HOOKBUS_REDIS_URL": f"file:{file}"}).redis_url == "redis://:hunter2@host:1/0"
    file.write_text("")
    assert problems(tmp_path, f'redis_url = "file:{file}"\nshards = 0') == [
        f"redis_url: file:{file} is empty",
        "shards: Expected `int` >= 1",
    ]
