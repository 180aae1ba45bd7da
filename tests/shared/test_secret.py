import base64
import logging
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from hookbus.shared.secret import Secret, key_bytes, key_problem, sign

KEY = bytes(range(32))
ENCODED = base64.b64encode(KEY).decode()


def test_a_prefixed_secret_is_base64_whatever_the_encoding_of_others():
    assert key_bytes(f"whsec_{ENCODED}", "raw") == key_bytes(f"whsec_{ENCODED}", "base64") == KEY


def test_an_unprefixed_secret_is_raw_for_openai_and_base64_for_standard():
    assert key_bytes(ENCODED, "raw") == ENCODED.encode()
    assert key_bytes(ENCODED, "base64") == KEY
    assert key_bytes("ünïcode", "raw") == "ünïcode".encode()


@pytest.mark.parametrize(
    ("secret", "encoding", "reason"),
    [
        ("", "raw", "empty"),
        (" \n", "raw", "empty"),
        ("whsec_", "base64", "empty after 'whsec_'"),
        ("whsec_hunter2%", "raw", "not valid base64 after 'whsec_'"),
        ("whsec_hunter-2", "raw", "not valid base64 after 'whsec_'"),
        ("hunter2hunter2whsec_", "raw", "'whsec_' in its middle"),
        ("whsec_QUJDQUJD,whsec_hunter2", "raw", "separate several by blanks"),
        ("OPENAI_WEBHOOK_SECRET=whsec_hunter2", "raw", "'whsec_' in its middle"),
        ("SECRET=hunter2", "raw", "after the '='"),
        ("WHSEC_hunter2", "raw", "'WHSEC_'.*lower case"),
        ("Whsec_hunter2", "base64", "'Whsec_'.*lower case"),
        ("sk-proj-hunter2", "raw", "begins with 'sk-': it is an API key: a webhook secret begins with 'whsec_'"),
        ("whpk_hunter2", "base64", "begins with 'whpk_': it is a public key: write it into public_keys"),
        ("whsk_hunter2", "base64", "a private key, which only the sender may have"),
        ('"whsec_hunter2"', "raw", "in quotes"),
        ("'whsec_hunter2", "raw", "in quotes"),
        ("hunter2`", "raw", "in quotes"),
        ("\u201cwhsec_hunter2\u201d", "base64", "in quotes"),
        ("\ufeffwhsec_hunter2", "raw", "an invisible character"),
        ("\u200bwhsec_hunter2", "raw", "an invisible character"),
        ("whsec_hunter2\x00", "raw", "an invisible character"),
        ("Bearer whsec_hunter2", "raw", "an invisible character"),
        ("${hunter2}", "raw", "placeholder"),
        ("{{.Values.hunter2}}", "raw", "placeholder"),
        ("<hunter2>", "raw", "placeholder"),
        ("hunter2!", "base64", "not valid base64$"),
        ("hunter2\n", "raw", "white space"),
        ("v1,whsec_hunter2", "raw", "'v1,'.*from 'whsec_' on"),
    ],
)
def test_a_bad_secret_is_refused_with_a_reason_that_does_not_quote_it(secret, encoding, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        key_bytes(secret, encoding)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("secret", "encoding", "has_hint"),
    [
        ("hunter2!hunter2!hunter2!", "base64", True),
        ("hunter2hunter2hunter2", "base64", True),
        ("whsec_hunter2!", "base64", False),
        ("whsec_hunter2!", "raw", False),
        ("'hunter2'", "base64", False),
        ("short", "raw", False),
    ],
)
def test_settings_say_how_a_secret_that_is_no_base64_may_be_meant(secret, encoding, has_hint):
    problem = key_problem(secret, encoding)
    assert problem
    assert problem.endswith('; if its characters themselves are the key, write encoding = "raw"') == has_hint


def test_the_padding_of_base64_is_optional():
    for size in range(1, 40):
        for encoding in ("raw", "base64"):
            text = base64.b64encode(KEY[:1] * size).decode().rstrip("=")
            assert key_bytes(f"whsec_{text}", encoding) == KEY[:1] * size


def test_a_secret_is_a_str_that_never_appears_in_a_repr():
    secret = Secret("hunter2")
    assert secret == "hunter2"
    assert key_bytes(secret, "raw") == b"hunter2"
    assert "hunter2" not in repr(secret) + repr([secret]) + repr({"a": (secret,)}) + f"{secret!r}"
    record = logging.LogRecord("x", 20, "x", 1, "%r", (secret,), None)
    assert "hunter2" not in record.getMessage()


def test_a_published_signature_is_reproduced():
    key = key_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64")
    body = b'{"test": 2432232314}'
    signature = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(
    st.binary(min_size=1),
    st.from_regex(r"[!-~]{1,40}", fullmatch=True),
    st.integers(0, 2**31),
    st.text(st.characters(codec="utf-8")),
)
def test_signatures_equal_those_of_the_reference_implementation(key, webhook_id, at, body):
    reference = Webhook(base64.b64encode(key).decode())
    expected = reference.sign(webhook_id, datetime.fromtimestamp(at, UTC), body)
    assert sign(key, webhook_id, str(at), body.encode()) == expected
