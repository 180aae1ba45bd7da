import base64
import sys

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hookbus.shared import public_key
from hookbus.shared.public_key import PublicKey, is_supported, raw_key

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"0123456789abcdef0123456789abcdef")
RAW = PRIVATE.public_key().public_bytes_raw()
KEY = "whpk_" + base64.b64encode(RAW).decode()


def encoded(key: bytes) -> str:
    return "whpk_" + base64.b64encode(key).decode()


def test_a_key_may_be_padded_or_not():
    assert raw_key(KEY) == raw_key(KEY.rstrip("=")) == RAW


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "paste the public key that the sender shows"),
        (KEY.removeprefix("whpk_"), "paste the public key that the sender shows"),
        (f" {KEY}", "paste the public key that the sender shows"),
        ("WHPK_" + KEY[5:], "paste the public key that the sender shows"),
        ("whsec_" + KEY[5:], "write it into secrets"),
        ("whsk_" + KEY[5:], "write its public key, which begins with 'whpk_'"),
        ("file:/run/secrets/key", "write the key itself"),
        ("credential:key", "write the key itself"),
        ("whpk_%%%", "not valid base64 after 'whpk_': paste the public key that"),
        (f"{KEY}\n", "not valid base64 after 'whpk_'"),
        ("whpk_", "a key of 0 bytes; an ed25519 key has 32: paste the public key that the sender shows"),
        (encoded(RAW[:-1]), "a key of 31 bytes"),
        (encoded(RAW + RAW), "a key of 64 bytes"),
        (encoded(bytes(32)), "a placeholder: anybody can sign for this key; paste the public key"),
    ],
)
def test_a_wrong_key_is_refused_with_what_to_write(text, advice):
    with pytest.raises(ValueError, match=advice) as caught:
        raw_key(text)
    assert KEY[5:20] not in str(caught.value)


WEAK = [key[:-1] + bytes([key[-1] | sign]) for key in sorted(public_key._WEAK) for sign in (0, 0x80)]


@pytest.mark.parametrize("key", WEAK, ids=bytes.hex)
def test_for_each_refused_point_anybody_can_sign(key):
    with pytest.raises(ValueError, match="anybody can sign"):
        raw_key(encoded(key))
    forged = [(point + bytes(32), b"%d" % number) for point in WEAK for number in range(50)]
    assert any(_accepts(Ed25519PublicKey.from_public_bytes(key), *each) for each in forged)


def _accepts(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def test_a_signature_covers_its_message():
    key = PublicKey(KEY)
    assert key.has_signed(PRIVATE.sign(b"a"), b"a")
    assert not key.has_signed(PRIVATE.sign(b"a"), b"b")
    for signature in (b"", bytes(64), PRIVATE.sign(b"a")[:-1], PRIVATE.sign(b"a") + b"x"):
        assert not key.has_signed(signature, b"a")


def test_without_the_extra_it_is_not_supported(monkeypatch):
    assert is_supported()
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    assert not is_supported()
