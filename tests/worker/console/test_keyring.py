import pytest
from structlog.testing import capture_logs

from hookbus.shared.secret import Secret
from hookbus.shared.settings import ConfigError
from hookbus.worker.console import keyring
from hookbus.worker.console.keyring import Keyring

ANN, BOB = Secret("a" * 32), Secret("b" * 32)


def roles(ring: Keyring) -> dict[str, str]:
    return {token.text: f"{token.person.name} is {token.person.role}" for token in ring.tokens()}


def test_tokens_stand_for_persons_with_a_number_and_a_role(tmp_path):
    (tmp_path / "operators").write_text(f"{BOB}\n{'c' * 32}\n")
    ring = Keyring({"viewer": (ANN,), "operator": (Secret(f"file:{tmp_path}/operators"),)})
    assert roles(ring) == {
        ANN: "viewer token 1 is viewer",
        BOB: "operator token 1 is operator",
        "c" * 32: "operator token 2 is operator",
    }


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "nobody could log in"),
        ({"viewer": ()}, "nobody could log in"),
        ({"admin": (ANN,)}, "'admin' is no role"),
        ({"viewer": (Secret("short"),)}, "shorter than 20 characters"),
        ({"viewer": (ANN,), "operator": (ANN,)}, "operator: token 1 is also viewer token 1"),
        ({"viewer": (Secret("file:/nowhere/token"),)}, "No such file"),
    ],
)
def test_what_keeps_the_console_from_starting_is_said_without_the_token(given, problem):
    with pytest.raises(ConfigError, match=problem) as raised:
        Keyring(given)
    assert ANN not in str(raised.value)
    assert "short)" not in str(raised.value)


def test_a_token_that_is_taken_from_its_file_counts_no_longer_and_a_missing_file_changes_nothing(tmp_path, monkeypatch):
    file = tmp_path / "tokens"
    file.write_text(f"{ANN} {BOB}")
    ring = Keyring({"viewer": (Secret(f"file:{file}"),)})
    file.write_text(BOB)
    assert set(roles(ring)) == {ANN, BOB}
    monkeypatch.setattr(keyring, "READ_S", 0)
    assert set(roles(ring)) == {BOB}
    file.unlink()
    with capture_logs() as logs:
        assert set(roles(ring)) == {BOB}
    assert [log["event"] for log in logs] == ["console_tokens_refused"]
