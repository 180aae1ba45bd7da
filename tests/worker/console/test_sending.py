import re

import pytest

from hookbus.ingest.settings import load_settings as load_ingest
from hookbus.shared.posting import new_id
from hookbus.shared.secret import Secret, key_bytes
from hookbus.shared.settings import ConfigError
from hookbus.shared.sources import secrets_of
from hookbus.worker.console.sending import Sending, fresh_id, is_test, sending
from hookbus.worker.settings import WorkerSettings, load_settings
from tests import pages

URL = "http://127.0.0.1:8080/webhooks/openai"


def settings(secret: str) -> WorkerSettings:
    return WorkerSettings(console_send_url=URL, console_send_secret=Secret(secret))


def test_without_the_settings_nothing_is_sent():
    assert sending(WorkerSettings()) is None


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("file:/none/hidden", "file:/none/hidden: No such file or directory"),
        ("whsec_h!dden", "the secret is not valid base64 after 'whsec_'"),
        ("sk-hidden", "the secret begins with 'sk-'"),
    ],
)
def test_a_secret_that_cannot_be_used_stops_the_start_and_is_not_quoted(secret, problem):
    with pytest.raises(ConfigError, match=re.escape(f"worker.console_send_secret: {problem}")) as refused:
        sending(settings(secret))
    assert "h!dden" not in str(refused.value)
    assert "sk-hidden" not in str(refused.value)


def test_the_command_names_the_file_of_the_secret_and_never_the_secret():
    assert (
        Sending(URL, Secret("whsec_hidden")).command("batch.failed") == f"hookbus-ingest send batch.failed --url {URL}"
    )
    assert "hidden" not in repr(Sending(URL, Secret("whsec_hidden")))
    assert Sending(URL, Secret("file:/a b")).command("x").endswith(" --secret 'file:/a b'")
    assert "--secret" not in Sending(URL, Secret("credential:send")).command("x")


def test_ids_tell_test_events_from_those_of_senders():
    assert is_test(fresh_id())
    assert not any(map(is_test, (new_id("wh"), "test_1", "", f"{fresh_id()}\n", f"x{fresh_id()}")))


def test_the_settings_of_the_page_have_one_secret_for_both_programs(tmp_path):
    [block] = [each for each in pages.blocks(pages.OPERATIONS, "toml") if "console_send_url" in each]
    file = tmp_path / "hookbus.toml"
    file.write_text(re.sub('file:[^"]+', f"file:{tmp_path}/secret", block))
    (tmp_path / "secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    ingest, console = load_ingest(file, {}), sending(load_settings(file, {}))
    [(name, source)] = ingest.sources.items()
    assert console is not None
    assert console.url.endswith(source.path)
    to = console.destination()
    assert [to.key] == [key_bytes(each.text, source.key_encoding) for each in secrets_of(name, source)]
    assert (source.owner(name).prefix, source.headers, source.type_at) == ("", "webhook", to.type_at)
