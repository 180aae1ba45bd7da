import pytest

from hookbus.worker.console import sessions
from hookbus.worker.console.person import Person
from hookbus.worker.console.sessions import MOST_S, RENEW_S, SESSION_S, Token

VIEWER = Token("v" * 32, Person("viewer token 1", "viewer"))
OPERATOR = Token("o" * 32, Person("operator token 1", "operator"))
TOKENS = (VIEWER, OPERATOR)
NOW_S = 1_800_000_000


def test_a_session_is_that_of_its_token_until_it_ends():
    value = sessions.begin(OPERATOR, NOW_S).value
    for at_s, token in ((NOW_S, OPERATOR), (NOW_S + SESSION_S - 1, OPERATOR), (NOW_S + SESSION_S, None)):
        session = sessions.read(TOKENS, value, at_s)
        assert (session.token if session else None) == token


def test_a_token_that_is_withdrawn_ends_its_sessions():
    assert sessions.read((VIEWER,), sessions.begin(OPERATOR, NOW_S).value, NOW_S) is None


@pytest.mark.parametrize("change", [(0, "9"), (11, "9"), (-1, "g"), (-1, "")])
def test_a_cookie_that_was_changed_is_none(change):
    place, character = change
    value = sessions.begin(VIEWER, NOW_S).value
    parts = list(value)
    parts[place] = character
    assert "".join(parts) != value
    assert sessions.read(TOKENS, "".join(parts), NOW_S) is None


@pytest.mark.parametrize("value", ["", ".", "..", "1.2.3", "a" * 5000, f"{'9' * 400}.1.{'0' * 64}", "١.٢." + "0" * 64])
def test_what_is_no_cookie_of_ours_is_none(value):
    assert sessions.read(TOKENS, value, NOW_S) is None


def test_a_role_cannot_be_taken_by_the_same_text_in_another():
    other = Token(VIEWER.text, Person("operator token 1", "operator"))
    assert sessions.read((other,), sessions.begin(VIEWER, NOW_S).value, NOW_S) is None


def test_a_session_is_stretched_while_it_is_used_and_not_for_ever():
    session = sessions.begin(VIEWER, NOW_S)
    assert session.renewed(NOW_S + RENEW_S - 1) is None
    now_s = NOW_S
    while (renewed := session.renewed(now_s := now_s + SESSION_S - 1)) is not None:
        assert sessions.read(TOKENS, renewed.value, now_s) == renewed
        session = renewed
    assert MOST_S - RENEW_S < session.until_s - NOW_S <= MOST_S


def test_a_token_is_told_by_its_whole_text():
    assert sessions.token_of(TOKENS, VIEWER.text) == VIEWER
    assert sessions.token_of(TOKENS, OPERATOR.text) == OPERATOR
    for given in ("", VIEWER.text[:-1], VIEWER.text + "v", VIEWER.text.upper(), "\udcff"):
        assert sessions.token_of(TOKENS, given) is None
