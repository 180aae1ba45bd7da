import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.ingest.signature import MAX_SIGNATURES, SignatureError, Verifier
from hookbus.shared.public_key import PublicKey
from hookbus.shared.secret import key_bytes, sign

NOW = 1_750_000_000
SECRETS = tuple("whsec_" + base64.b64encode(bytes([i]) * 32).decode() for i in range(3))
VECTORS = json.loads((Path(__file__).parents[1] / "data" / "signature_vectors.json").read_text())
ENCODINGS = {"openai": "raw", "standard": "base64"}
V1 = [vector for vector in VECTORS if vector["scheme"] == "v1"]
V1A = [vector for vector in VECTORS if vector["scheme"] == "v1a"]
BODY = b'{"type": "response.completed"}'


def headers(secret=SECRETS[0], body=BODY, at=NOW, webhook_id="wh_1", **changed):
    timestamp = str(at)
    signed = {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": sign(key_bytes(secret, "raw"), webhook_id, timestamp, body),
    }
    return signed | {name.replace("_", "-"): value for name, value in changed.items()}


def code_of(request_headers, body=BODY, now=NOW, verifier=None):
    with pytest.raises(SignatureError) as caught:
        (verifier or Verifier(SECRETS[:1])).verify(request_headers, body, now)
    assert str(caught.value).startswith(caught.value.code)
    return caught.value.code


def test_all_published_vectors_are_here():
    assert (len(V1), len(V1A), len(VECTORS)) == (46, 2, 48)
    assert {vector["recommended"] for vector in V1} == {"accept", "reject", "config_error", "choice"}


@pytest.mark.parametrize("vector", V1, ids=lambda vector: vector["name"])
def test_published_vector(vector):
    if vector["recommended"] == "config_error":
        with pytest.raises(ValueError, match="secret"):
            Verifier([vector["secret"]], encoding=ENCODINGS[vector["secret_mode"]])
        return
    body = vector["body"].encode() if "body" in vector else base64.b64decode(vector["body_base64"])
    verifier = Verifier([vector["secret"]], encoding=ENCODINGS[vector["secret_mode"]], tolerance=vector["tolerance"])
    if vector["recommended"] == "accept":
        assert verifier.verify(vector["headers"], body, vector["now"]) == 0
    else:  # "choice" is a signature without its version: refused
        with pytest.raises(SignatureError):
            verifier.verify(vector["headers"], body, vector["now"])


@pytest.mark.parametrize("vector", V1A, ids=lambda vector: vector["name"])
def test_published_asymmetric_vector(vector):
    verifier = Verifier([], tolerance=vector["tolerance"], public_keys=[PublicKey(vector["secret"])])
    if vector["recommended"] == "accept":
        assert verifier.verify(vector["headers"], vector["body"].encode(), vector["now"]) == 0
    else:
        assert code_of(vector["headers"], vector["body"].encode(), vector["now"], verifier) == "signature_mismatch"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_an_absent_header_is_missing(name):
    signed = headers()
    del signed[name]
    assert code_of(signed) == "missing_header"


def test_all_missing_headers_are_named():
    with pytest.raises(SignatureError, match="webhook-id, webhook-timestamp, webhook-signature"):
        Verifier(SECRETS).verify({}, BODY, NOW)


@pytest.mark.parametrize("webhook_id", ["", "a b", "é", "\udcff", "a\n", "\x7f", "x" * 256])
def test_an_id_that_is_not_1_to_255_visible_characters_is_malformed(webhook_id):
    assert code_of(headers() | {"webhook-id": webhook_id}) == "malformed_header"


def test_an_id_of_255_characters_is_valid():
    assert Verifier(SECRETS).verify(headers(webhook_id="x" * 255), BODY, NOW) == 0


@pytest.mark.parametrize("text", ["", "now", "1.5", "-1", "+1", " 1", "1_0", "１２", "²", "9" * 21, "\udcff", "0x10"])
def test_a_timestamp_that_is_not_ascii_digits_is_malformed(text):
    assert code_of(headers(webhook_timestamp=text)) == "malformed_header"


@pytest.mark.parametrize("age_s", [300, 0, -300])
def test_the_age_limit_is_inclusive(age_s):
    assert Verifier(SECRETS).verify(headers(at=NOW - age_s), BODY, NOW) == 0


def test_beyond_the_age_limit_is_stale_or_future():
    assert code_of(headers(at=NOW - 301)) == "timestamp_stale"
    assert code_of(headers(at=NOW - 300), now=NOW + 0.5) == "timestamp_stale"
    assert code_of(headers(at=NOW + 301)) == "timestamp_future"
    assert code_of(headers(webhook_timestamp="9" * 20)) == "timestamp_future"


def test_the_tolerance_can_be_chosen():
    verifier = Verifier(SECRETS, tolerance=10)
    assert verifier.verify(headers(at=NOW - 10), BODY, NOW) == 0
    assert code_of(headers(at=NOW - 11), verifier=verifier) == "timestamp_stale"


def test_g8_any_changed_part_is_a_mismatch():
    signed = headers()
    assert code_of(signed, body=BODY + b" ") == "signature_mismatch"
    assert code_of(signed | {"webhook-id": "wh_2"}) == "signature_mismatch"
    assert code_of(signed | {"webhook-timestamp": str(NOW + 1)}) == "signature_mismatch"
    assert code_of(signed, verifier=Verifier(SECRETS[1:])) == "signature_mismatch"


def test_the_original_text_of_the_timestamp_is_signed():
    key = key_bytes(SECRETS[0], "raw")
    padded = headers(webhook_timestamp=f"0{NOW}", webhook_signature=sign(key, "wh_1", f"0{NOW}", BODY))
    assert Verifier(SECRETS).verify(padded, BODY, NOW) == 0
    assert code_of(headers(webhook_timestamp=f"0{NOW}")) == "signature_mismatch"


def test_the_index_of_the_secret_that_matched_is_returned():
    verifier = Verifier(SECRETS)
    assert [verifier.verify(headers(secret), BODY, NOW) for secret in SECRETS] == [0, 1, 2]


@pytest.mark.parametrize("noise", ["v1,%%%", "v1,", "v1", ",", "v1,é", "v2,AAAA", "v1a,AAAA", "\udcff", "v1,AAAA", ""])
def test_a_malformed_entry_does_not_hide_a_valid_one(noise):
    signed = headers()
    good = signed["webhook-signature"]
    for header in (f"{noise} {good}", f"{good} {noise}"):
        assert Verifier(SECRETS).verify(signed | {"webhook-signature": header}, BODY, NOW) == 0
    assert code_of(signed | {"webhook-signature": noise}) == "signature_mismatch"


@pytest.mark.parametrize("form", ["{}", "V1,{}", "v1={}", "v1a,{}", "v2,{}", "v1,{}x"])
def test_a_right_digest_in_a_wrong_form_is_a_mismatch(form):
    signed = headers()
    bare = signed["webhook-signature"].removeprefix("v1,")
    assert code_of(signed | {"webhook-signature": form.format(bare)}) == "signature_mismatch"


def test_work_on_signatures_is_bounded():
    signed = headers()
    crowd = " ".join(["v1,AAAA"] * MAX_SIGNATURES)
    assert code_of(signed | {"webhook-signature": f"{crowd} {signed['webhook-signature']}"}) == "signature_mismatch"


@pytest.mark.parametrize(
    ("secrets", "encoding", "message"),
    [
        ([], "raw", "at least one secret"),
        ("", "raw", "empty"),
        (["  "], "raw", "empty"),
        (["whsec_"], "raw", "empty after 'whsec_'"),
        (["whsec_%%%"], "raw", "not valid base64 after 'whsec_'"),
        (["not-base64!"], "base64", "not valid base64"),
        (["whsec_é"], "raw", "not valid base64"),
        ([f"v1,{SECRETS[0]}"], "raw", "paste only the part from"),
        ([f" {SECRETS[0]}"], "raw", "white space"),
        ([SECRETS[0], ""], "raw", "empty"),
    ],
)
def test_an_impossible_secret_is_refused_at_construction(secrets, encoding, message):
    with pytest.raises(ValueError, match=message) as caught:
        Verifier(secrets, encoding=encoding)
    assert SECRETS[0] not in str(caught.value)


def test_a_single_string_is_one_secret():
    assert Verifier(SECRETS[0]).verify(headers(), BODY, NOW) == 0


def test_without_its_prefix_a_secret_is_raw_for_openai_and_base64_for_standard():
    bare = SECRETS[0].removeprefix("whsec_")
    assert Verifier([bare], encoding="base64").verify(headers(), BODY, NOW) == 0
    assert Verifier([bare]).verify(headers(bare), BODY, NOW) == 0
    assert code_of(headers(), verifier=Verifier([bare])) == "signature_mismatch"


HOSTILE = st.one_of(
    st.text(st.characters(codec=None)),  # surrogates too
    st.text(st.sampled_from("v1, =+/AZaz09\udcff\x00é")),
    st.integers(0, 100_000).map(lambda size: "1" * size),
    st.sampled_from([str(NOW), "wh_1", headers()["webhook-signature"]]),
)
NAMES = st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"])


@given(st.dictionaries(NAMES, HOSTILE), st.binary(max_size=64), st.floats(0, 4e9))
def test_g8_nothing_but_a_signature_error_is_raised(hostile, body, now):
    with pytest.raises(SignatureError):
        Verifier(SECRETS).verify(hostile, body + b"never signed", now)


@given(st.binary(), st.integers(0, 2**40), st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_a_signed_request_verifies(body, at, webhook_id):
    webhook_id = webhook_id[:255]
    assert Verifier(SECRETS).verify(headers(body=body, at=at, webhook_id=webhook_id), body, at) == 0
