import base64
import logging
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from hookbus.shared.secret import Secret, key_bytes, sign

KEY = bytes(range(32))
ENCODED = base64.b64encode(KEY).decode()


def test_a_prefixed_secret_is_base64_in_both_schemes():
    assert key_bytes(f"whsec_{ENCODED}", "openai") == key_bytes(f"whsec_{ENCODED}", "standard") == KEY


def test_an_unprefixed_secret_is_raw_for_openai_and_base64_for_standard():
    assert key_bytes(ENCODED, "openai") == ENCODED.encode()
    assert key_bytes(ENCODED, "standard") == KEY
    assert key_bytes("ünïcode", "openai") == "ünïcode".encode()


@pytest.mark.parametrize(
    ("secret", "scheme", "reason"),
    [
        ("", "openai", "empty"),
        (" \n", "openai", "empty"),
        ("whsec_", "standard", "empty after 'whsec_'"),
        ("whsec_hunter2%", "openai", "not valid base64 after 'whsec_'"),
        ("whsec_hunter-2", "openai", "not valid base64 after 'whsec_'"),
        ("hunter2hunter2whsec_", "openai", "'whsec_' in its middle"),
        ("whsec_QUJDQUJD,whsec_hunter2", "openai", "separate several by blanks"),
        ("OPENAI_WEBHOOK_SECRET=whsec_hunter2", "openai", "'whsec_' in its middle"),
        ("SECRET=hunter2", "openai", "after the '='"),
        ("WHSEC_hunter2", "openai", "'WHSEC_'.*lower case"),
        ("Whsec_hunter2", "standard", "'Whsec_'.*lower case"),
        ("sk-proj-hunter2", "openai", "an API key .'sk-'"),
        ("whpk_hunter2", "standard", "a public key"),
        ("whsk_hunter2", "standard", "a private key"),
        ('"whsec_hunter2"', "openai", "in quotes"),
        ("'whsec_hunter2", "openai", "in quotes"),
        ("hunter2`", "openai", "in quotes"),
        ("\u201cwhsec_hunter2\u201d", "standard", "in quotes"),
        ("\ufeffwhsec_hunter2", "openai", "an invisible character"),
        ("\u200bwhsec_hunter2", "openai", "an invisible character"),
        ("whsec_hunter2\x00", "openai", "an invisible character"),
        ("Bearer whsec_hunter2", "openai", "an invisible character"),
        ("${hunter2}", "openai", "placeholder"),
        ("{{.Values.hunter2}}", "openai", "placeholder"),
        ("<hunter2>", "openai", "placeholder"),
        ("hunter2!", "standard", "not valid base64$"),
        ("hunter2\n", "openai", "white space"),
        ("v1,whsec_hunter2", "openai", "'v1,'.*from 'whsec_' on"),
    ],
)
def test_a_bad_secret_is_refused_with_a_reason_that_does_not_quote_it(secret, scheme, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        key_bytes(secret, scheme)
    assert "hunter2" not in str(caught.value)


def test_the_padding_of_base64_is_optional():
    for size in range(1, 40):
        for scheme in ("openai", "standard"):
            text = base64.b64encode(KEY[:1] * size).decode().rstrip("=")
            assert key_bytes(f"whsec_{text}", scheme) == KEY[:1] * size


def test_a_secret_is_a_str_that_never_appears_in_a_repr():
    secret = Secret("hunter2")
    assert secret == "hunter2"
    assert key_bytes(secret, "openai") == b"hunter2"
    assert "hunter2" not in repr(secret) + repr([secret]) + repr({"a": (secret,)}) + f"{secret!r}"
    record = logging.LogRecord("x", 20, "x", 1, "%r", (secret,), None)
    assert "hunter2" not in record.getMessage()


def test_a_published_signature_is_reproduced():
    key = key_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "standard")
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
