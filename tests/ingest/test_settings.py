import json
import subprocess
import sys

import pytest

from hookbus.ingest.settings import IngestSettings, load_settings
from hookbus.shared import paths, public_key
from hookbus.shared.listen import Listen
from hookbus.shared.settings import ConfigError, Option
from hookbus.shared.sources import secrets_of
from tests.shared.test_public_key import KEY

SECRET = "whsec_" + "QUJD" * 8
OTHER = "whsec_" + "REVG" * 8


def load(tmp_path, toml="", environ=None, **overrides) -> IngestSettings:
    file = tmp_path / "hookbus.toml"
    file.write_text(toml)
    return load_settings(file, environ or {}, {key: Option("--x", value) for key, value in overrides.items()})


def problems(tmp_path, toml="", environ=None, **overrides) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, toml, environ, **overrides)
    assert SECRET not in str(caught.value)
    return caught.value.problems


def source(more: str = "", path: str = '"/a"', secrets: str = f'["{SECRET}"]') -> str:
    return f"[ingest.sources.a]\npath = {path}\nsecrets = {secrets}\n{more}\n"


def in_force(settings: IngestSettings, name: str) -> list[str]:
    return [secret.text for secret in secrets_of(name, settings.sources[name])]


def test_the_openai_variable_alone_is_a_complete_configuration():
    settings = load_settings(None, {"OPENAI_WEBHOOK_SECRET": SECRET})
    assert list(settings.sources) == ["openai"]
    assert settings.sources["openai"].path == "/webhooks/openai"
    assert settings.sources["openai"].secrets == (SECRET,)
    assert settings.sources["openai"].scheme == "openai"
    assert settings.durability == "fsync"
    assert settings.dedupe_window_h == 96


def test_the_openai_variable_may_hold_several_secrets(tmp_path):
    found = load(tmp_path, environ={"OPENAI_WEBHOOK_SECRET": f" {SECRET} {OTHER}\n"})
    assert found.sources["openai"].secrets == (SECRET, OTHER)


def test_the_openai_variable_gives_its_secret_to_a_configured_source(tmp_path):
    found = load(tmp_path, '[ingest.sources.openai]\npath = "/mine"\n', {"OPENAI_WEBHOOK_SECRET": SECRET})
    assert (found.sources["openai"].path, found.sources["openai"].secrets) == ("/mine", (SECRET,))


@pytest.mark.parametrize(
    "wrong", [f"'{SECRET}'", f"\ufeff{SECRET}", f"A={SECRET}", SECRET.upper(), "sk-1", f"{SECRET},{OTHER}"]
)
def test_an_impossible_secret_is_refused_wherever_it_is_set_and_named_by_its_place(tmp_path, monkeypatch, wrong):
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "new").write_text(wrong.replace("\ufeff", "\ufeff\ufeff"))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    in_file = f'["file:{folder}/new"]'
    for toml, environ, place in (
        ("", {"OPENAI_WEBHOOK_SECRET": f"{SECRET} {wrong}"}, "OPENAI_WEBHOOK_SECRET: the secret "),
        (source(secrets=json.dumps([SECRET, wrong])), {}, "ingest.sources.a.secrets[1]: the secret "),
        (source(secrets=in_file), {}, f"ingest.sources.a.secrets[0]: file:{folder}/new: the secret "),
        (source(secrets=f'["file:{folder}"]'), {}, f"ingest.sources.a.secrets[0]: file:{folder}/new: the secret "),
        (source(secrets='["credential:new"]'), {}, "ingest.sources.a.secrets[0]: credential:new: the secret "),
        ("", {"OPENAI_WEBHOOK_SECRET": f"file:{folder}"}, f"ingest.sources.openai.secrets[0]: file:{folder}/new: the "),
    ):
        (problem,) = problems(tmp_path, toml, environ)
        assert problem.startswith(place)


def test_an_empty_variable_counts_as_unset_and_an_unknown_one_as_unknown(tmp_path):
    toml = "shards = 2\n[ingest]\nbatch_size = 7\n" + source()
    empty = {
        "HOOKBUS_SHARDS": "",
        "HOOKBUS_INGEST_BATCH_SIZE": " ",
        "HOOKBUS_REDIS_URL": "",
        "HOOKBUS_INGEST_SOURCES": "",
    }
    found = load(tmp_path, toml, empty)
    assert (found.shards, found.batch_size, list(found.sources)) == (2, 7, ["a"])
    assert problems(tmp_path, toml, {"HOOKBUS_INGEST_BATCHSIZE": ""}) == [
        "HOOKBUS_INGEST_BATCHSIZE: unknown variable; did you mean HOOKBUS_INGEST_BATCH_SIZE?"
    ]


def test_an_empty_openai_variable_counts_as_unset(tmp_path):
    assert load(tmp_path, environ={"OPENAI_WEBHOOK_SECRET": "  "}).sources == {}


@pytest.mark.parametrize("value", ['"x"', "3", '{openai = "x"}', "{openai = 3}", "[1]"])
def test_sources_that_are_no_table_are_a_problem_and_not_a_crash(tmp_path, value):
    (problem,) = problems(tmp_path, f"[ingest]\nsources = {value}", {"OPENAI_WEBHOOK_SECRET": SECRET})
    assert problem.startswith("ingest.sources")


def test_environment_beats_file_and_the_command_line_beats_both(tmp_path):
    toml = '[ingest]\nlisten = "1.1.1.1:1"\nmax_waiting = 1\nbatch_size = 1'
    environ = {"HOOKBUS_INGEST_LISTEN": "2.2.2.2:2", "HOOKBUS_INGEST_MAX_WAITING": "2"}
    found = load(tmp_path, toml, environ, listen="3.3.3.3:3", max_waiting=None)
    assert (found.listen, found.max_waiting, found.batch_size) == ((Listen("3.3.3.3", 3),), 2, 1)


def test_sources_can_come_from_the_environment_as_json(tmp_path):
    environ = {"HOOKBUS_INGEST_SOURCES": json.dumps({"org": {"path": "/org", "secrets": [SECRET]}})}
    assert load(tmp_path, environ=environ).sources["org"].path == "/org"


def test_a_secret_file_gives_its_lines(tmp_path):
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n{OTHER}\n")
    found = load(tmp_path, source(secrets=f'["file:{file}"]'))
    assert in_force(found, "a") == [SECRET, OTHER]
    assert in_force(load(tmp_path, environ={"OPENAI_WEBHOOK_SECRET": f"file:{file}"}), "openai") == [SECRET, OTHER]


def test_a_folder_gives_a_secret_for_each_file_and_a_credential_one_too(tmp_path, monkeypatch):
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "2026-11").write_text(SECRET)
    (folder / "2026-12").write_text(OTHER)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    found = load(tmp_path, source(secrets=f'["file:{folder}/", "credential:2026-12", "{SECRET}"]'))
    assert in_force(found, "a") == [SECRET, OTHER, OTHER, SECRET]
    assert [secret.where for secret in secrets_of("a", found.sources["a"])] == [
        f"file:{folder}/2026-11",
        f"file:{folder}/2026-12",
        "credential:2026-12",
        "ingest.sources.a.secrets[2]",
    ]


def test_an_invalid_secret_in_a_file_is_reported_with_key_and_file(tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET} v1,{SECRET}")
    (problem,) = problems(tmp_path, source(secrets=f'["file:{tmp_path}/secret"]'))
    assert problem.startswith(f"ingest.sources.a.secrets[0]: file:{tmp_path}/secret: the secret begins with 'v1,'")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"", "is empty"), (b"\xff\xfe\xff", "not text"), (b" \n", "is empty")],
)
def test_a_bad_secret_file_is_named_beside_all_other_problems(tmp_path, content, message):
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    found = problems(tmp_path, source(secrets=f'["file:{file}"]') + "[worker]\nx = 1\n[nonsense]\n")
    (about_file,) = [problem for problem in found if problem.startswith("ingest.sources.a.secrets[0]")]
    assert message in about_file
    assert any(problem.startswith("nonsense: unknown key") for problem in found)


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        ("[ingest]\ndedupe_window_h = 71", "ingest.dedupe_window_h"),
        ("[ingest]\ndedupe_window_h = 0", "ingest.dedupe_window_h"),
        ("[ingest]\nlisten = 80", "ingest.listen"),
        ('[ingest]\nlisten = "nowhere"', "ingest.listen"),
        ('[ingest]\nops_listen = "x:99999"', "ingest.ops_listen"),
        ('[ingest]\ndurability = "disk"', "ingest.durability"),
        ('[ingest]\nunsafe_redis = "maybe"', "ingest.unsafe_redis"),
        ("[ingest]\ntolerance_s = -1", "ingest.tolerance_s"),
        ("[ingest]\nmax_body_bytes = 1", "ingest.max_body_bytes"),
        ("[ingest]\nbody_timeout_s = 0", "ingest.body_timeout_s"),
        ("[ingest]\nenqueue_timeout_s = -1.0", "ingest.enqueue_timeout_s"),
        ("[ingest]\nmax_waiting = 0", "ingest.max_waiting"),
        ("[ingest]\nbatch_size = 1001", "ingest.batch_size"),
        ("[ingest]\ndrain_delay_s = -1", "ingest.drain_delay_s"),
        ("[ingest]\nlistne = 1", "ingest.listne"),
        ("[ingest]\nshards = 1", "ingest.shards"),
        ("shards = 0", "shards"),
        ('redis_url = "http://x"', "redis_url"),
        (source(path='"a"'), "ingest.sources.a.path"),
        (source(path='"/a b"'), "ingest.sources.a.path"),
        (source(path='"/a?b"'), "ingest.sources.a.path"),
        (source(path="1"), "ingest.sources.a.path"),
        (source(secrets="[]"), "ingest.sources.a.secrets: none, and no public_keys either: write the secret"),
        (source(secrets='["whsec_QUJD"]'), "ingest.sources.a.secrets[0]"),
        (source(secrets='["short"]'), "ingest.sources.a.secrets[0]"),
        (source(secrets=f'["{SECRET}", ""]'), "ingest.sources.a.secrets[1]"),
        (source(secrets=f'["v1,{SECRET}"]'), "ingest.sources.a.secrets[0]"),
        (source(secrets='["whsec_%%%%"]'), "ingest.sources.a.secrets[0]"),
        (source('scheme = "svix"'), 'ingest.sources.a.scheme: \'svix\'; write "openai" or "standard"'),
        (source('headers = "svix-"'), 'ingest.sources.a.headers: \'svix-\'; write "webhook" or "svix"'),
        (source("headers = []"), "ingest.sources.a.headers: []; write"),
        (source('encoding = "hex"'), 'ingest.sources.a.encoding: \'hex\'; write "base64" or "raw"'),
        (source('public_keys = "whsec_QUJD"'), "ingest.sources.a.public_keys[0]: a secret, not a public key: write it"),
        (source("public_keys = ['whpk_']"), "ingest.sources.a.public_keys[0]: a key of 0 bytes"),
        (source(f"public_keys = {['x'] * 5}"), "ingest.sources.a.public_keys"),
        (source('prefix = "b"'), "ingest.sources.a.prefix: 'b' does not end in a dot"),
        (source('prefix = "batch."'), "ingest.sources.a.prefix: 'batch.' begins as OpenAI's types do"),
        (source('type_at = "a..b"'), "ingest.sources.a.type_at: 'a..b' is not names separated by dots"),
        (source('types = ["a*"]'), "ingest.sources.a.types: 'a*' is not a pattern"),
        (source("pth = 1"), "ingest.sources.a: unknown key 'pth'; did you mean path?"),
        (source().replace("sources.a", 'sources."a b"'), "ingest.sources.a b"),
        (source() + source().replace("sources.a", "sources.b"), "ingest.sources.b.path"),
    ],
)
def test_each_refusal_names_its_key(tmp_path, toml, key):
    (problem,) = problems(tmp_path, toml)
    assert problem.startswith(key)


def test_all_problems_are_reported_together(tmp_path):
    found = problems(tmp_path, 'shards = 0\n[ingest]\nbatch_size = 0\nx = 1\ndurability = "no"', {"HOOKBUS_Y": "1"})
    assert [problem.split(":")[0] for problem in found] == [
        "ingest.x", "HOOKBUS_Y", "shards", "ingest.durability", "ingest.batch_size",
    ]  # fmt: skip


def test_g1_the_day_sets_cover_the_window_at_any_hour(tmp_path):
    assert load(tmp_path, "[ingest]\ndedupe_window_h = 72").dedupe_days == 4
    assert load(tmp_path, "[ingest]\ndedupe_window_h = 96").dedupe_days == 5
    assert load(tmp_path, "[ingest]\ndedupe_window_h = 97").dedupe_days == 6


def test_secrets_and_passwords_never_show(tmp_path):
    found = load(tmp_path, 'redis_url = "redis://:hunter2@h:1/0"\n' + source())
    assert SECRET not in repr(found)
    assert "hunter2" not in repr(found)
    assert found.redis_url == "redis://:hunter2@h:1/0"


@pytest.mark.parametrize("path", ["health", "/a b", "/health?x", "/é", "http://x/"])
def test_a_health_path_that_is_no_path_is_refused(tmp_path, path):
    assert problems(tmp_path, source(), health_path=path) == [f"--x: {paths.RULE}"]


@pytest.mark.parametrize("path", ["/a", "/a/", "//a"])
def test_a_health_path_that_is_served_as_a_sources_path_is_refused(tmp_path, path):
    assert problems(tmp_path, source(), health_path=path) == [f"--x: {path} is the path of ingest.sources.a"]
    assert load(tmp_path, source(), health_path="").health_path == ""
    assert load(tmp_path, source(), health_path="/health").health_path == "/health"


@pytest.mark.parametrize(
    ("toml", "environ", "option"),
    [
        ('[ingest]\nlisten = ["1.1.1.1:1", "[::]:2"]', {}, None),
        ("", {"HOOKBUS_INGEST_LISTEN": "1.1.1.1:1, [::]:2"}, None),
        ("", {"HOOKBUS_INGEST_LISTEN": '["1.1.1.1:1", "[::]:2"]'}, None),
        ("", {}, "1.1.1.1:1,[::]:2"),
    ],
)
def test_there_may_be_several_addresses_to_listen_on(tmp_path, toml, environ, option):
    assert load(tmp_path, toml, environ, listen=option).listen == (Listen("1.1.1.1", 1), Listen("::", 2))


@pytest.mark.parametrize(
    ("listen", "problem"),
    [
        ('"1.1.1.1:1,"', "ingest.listen: expected host:port, got ''"),
        ('"1.1.1.1:1,x"', "ingest.listen: expected host:port, got 'x'"),
        ('["1.1.1.1:1", "x"]', "ingest.listen[1]: expected host:port, got 'x'"),
        ("[]", "ingest.listen: Expected `array` of length >= 1"),
    ],
)
def test_each_address_must_be_host_and_port(tmp_path, listen, problem):
    assert problems(tmp_path, f"[ingest]\nlisten = {listen}") == [problem]


def test_a_public_key_needs_the_extra_and_no_secret(tmp_path, monkeypatch):
    file = tmp_path / "hookbus.toml"
    file.write_text(f"[ingest.sources.a]\npath = '/a'\npublic_keys = '{KEY}'")
    assert load_settings(file, {}).sources["a"].public_keys == (KEY,)
    monkeypatch.setattr(public_key, "is_supported", lambda: False)
    (problem,) = problems(tmp_path, file.read_text())
    assert problem == "ingest.sources.a.public_keys: needs the extra: pip install 'hookbus[ed25519]'"


def test_the_extra_is_not_imported_without_a_public_key():
    code = "import sys, hookbus.ingest.app; sys.exit(any('ed25519' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
