import pytest

from hookbus.shared.listen import Listen
from hookbus.shared.settings import ConfigError, Option
from hookbus.worker.settings import DAY_S, WorkerSettings, embedded_settings, load_settings


def loaded(tmp_path, toml: str = "", environ: dict[str, str] | None = None, **overrides) -> WorkerSettings:
    file = tmp_path / "hookbus.toml"
    file.write_text(toml)
    return load_settings(file, environ or {}, {key: Option("--x", value) for key, value in overrides.items()})


def problems(tmp_path, *args, **overrides) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, *args, **overrides)
    return caught.value.problems


def test_the_defaults_are_consistent(tmp_path):
    settings = loaded(tmp_path)
    assert settings == WorkerSettings()
    assert settings.ops_listen == Listen("127.0.0.1", 9465)
    assert settings.grace_period_s > settings.handler_timeout_s
    assert (settings.retention_s, settings.orphan_retention_s) == (3 * DAY_S, 14 * DAY_S)


def test_file_environment_and_command_line_override_each_other_in_that_order(tmp_path):
    toml = 'shards = 2\n[worker]\nops_listen = ":1"\nhandler_timeout_s = 7\nretention_s = 60\n[ingest]\nanything = 1\n'
    settings = loaded(tmp_path, toml, {"HOOKBUS_WORKER_OPS_LISTEN": ":2", "HOOKBUS_WORKER_RETENTION_S": "90.5"})
    assert (settings.shards, settings.handler_timeout_s, settings.retention_s) == (2, 7, 90.5)
    assert settings.ops_listen == Listen("0.0.0.0", 2)
    assert loaded(tmp_path, toml, ops_listen=":3").ops_listen.port == 3


@pytest.mark.parametrize("name", ["handler_timeout_s", "grace_period_s", "retention_s", "orphan_retention_s"])
@pytest.mark.parametrize("value", ["0", "-1", '"soon"', "true", "nan"])
def test_an_invalid_duration_is_refused_with_its_key(tmp_path, name, value):
    (problem,) = problems(tmp_path, f"[worker]\n{name} = {value}\n")
    assert problem.startswith(f"worker.{name}: ")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("wiki/RUNBOOK.md", "http://HOST… or https://HOST… is needed"),
        ("javascript:alert(1)", "http://HOST… or https://HOST… is needed"),
        ("https://wiki.example/R#x", "has a '#': the console adds it, with the name of a section"),
    ],
)
def test_a_runbook_that_no_page_can_link_to_is_refused(tmp_path, url, problem):
    assert problems(tmp_path, "", {"HOOKBUS_WORKER_CONSOLE_RUNBOOK": url}) == [
        f"HOOKBUS_WORKER_CONSOLE_RUNBOOK: {url!r}: {problem}"
    ]
    assert loaded(tmp_path, "", console_runbook="https://wiki.example/R").console_runbook == "https://wiki.example/R"


@pytest.mark.parametrize(
    ("url", "secret", "problem"),
    [
        ("http://127.0.0.1:8080/x", "", "secret: missing, so the console could send no test event"),
        ("", "whsec_hidden", "url: missing, so the console could send no test event"),
        ("127.0.0.1:8080", "whsec_hidden", "url: http://HOST… or https://HOST… is needed"),
        ("http://me:hidden@127.0.0.1/x", "whsec_hidden", "url: has a name or password, which its pages would show"),
    ],
)
def test_test_events_need_a_url_that_may_be_shown_and_a_secret(tmp_path, url, secret, problem):
    environ = {"HOOKBUS_WORKER_CONSOLE_SEND_URL": url, "HOOKBUS_WORKER_CONSOLE_SEND_SECRET": secret}
    key, _, why = problem.partition(": ")
    told = f"worker.console_send_{key}" if "missing" in why else f"HOOKBUS_WORKER_CONSOLE_SEND_{key.upper()}"
    assert problems(tmp_path, "", environ) == [f"{told}: {why}"]
    settings = loaded(tmp_path, "", console_send_url="http://127.0.0.1:8080/x", console_send_secret="whsec_hidden")
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(("grace_s", "timeout_s"), [(10, 10), (10, 11)])
def test_a_grace_period_that_would_interrupt_handlers_is_refused(tmp_path, grace_s, timeout_s):
    (problem,) = problems(tmp_path, f"[worker]\ngrace_period_s = {grace_s}\nhandler_timeout_s = {timeout_s}\n")
    assert problem == (
        f"worker.grace_period_s: {grace_s} is not above worker.handler_timeout_s ({timeout_s}):"
        " every stop would interrupt handlers within their timeout"
    )


def test_unknown_keys_and_variables_are_refused_by_name_all_together(tmp_path):
    found = problems(tmp_path, "[worker]\ngrace = 1\n", {"HOOKBUS_WORKER_GRACE": "1"})
    assert any(problem.startswith("worker.grace: unknown key") for problem in found)
    assert "HOOKBUS_WORKER_GRACE: unknown variable" in found
    assert len(found) == 2


def test_a_worker_inside_a_program_has_its_settings_from_a_table_and_knows_which_are_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOOKBUS_SHARDS", "3")
    (tmp_path / "hookbus.toml").write_text("[worker]\nretention_s = 60\n")
    table = {"log_level": "debug", "worker": {"ops_listen": ":1"}, "ingest": {"anything": 1}}
    settings, given = embedded_settings(table)
    assert (settings.shards, settings.retention_s, settings.ops_listen) == (1, 259_200, Listen("0.0.0.0", 1))
    assert given == {"log_level", "ops_listen"}
    settings, given = embedded_settings(None)
    assert (settings.shards, settings.retention_s) == (3, 60)
    assert given == {"shards", "retention_s"}
