"""Public keys of senders that sign asymmetrically: `v1a` of Standard Webhooks, ed25519 over the same text as `v1`.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md. The library is an extra.
"""

import base64
import binascii
from typing import Final

PREFIX: Final = "whpk_"
VERSION: Final = "v1a"
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
MAX_KEYS: Final = 4
"""Of a source: a rotation needs two. A forged signature costs a check with each, some 0.1 ms (measured)."""
_PASTE: Final = "paste the public key that the sender shows"
EXTRA: Final = "needs the extra: pip install 'hookbus[ed25519]'"
_WEAK: Final = frozenset(
    map(
        bytes.fromhex,
        (
            "00" * 32,
            "01" + "00" * 31,
            "ec" + "ff" * 30 + "7f",
            "ed" + "ff" * 30 + "7f",
            "ee" + "ff" * 30 + "7f",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        ),
    )
)
"""Points of small order, without their sign bits: for one of them anybody can sign. A placeholder of zeros is one."""


def raw_key(text: str) -> bytes:
    """The bytes of a key: `whpk_` and base64, padded or not. Raises ValueError that says what to write."""
    if not text.startswith(PREFIX):
        raise ValueError(_advice(text))
    encoded = text.removeprefix(PREFIX)
    try:
        key = base64.b64decode((encoded + "=" * (-len(encoded) % 4)).encode(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"not valid base64 after '{PREFIX}': {_PASTE}") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key of {len(key)} bytes; an ed25519 key has {KEY_BYTES}: {_PASTE}")
    if key[:-1] + bytes([key[-1] & 0x7F]) in _WEAK:
        raise ValueError(f"a placeholder: anybody can sign for this key; {_PASTE}")
    return key


def _advice(text: str) -> str:
    """What to write in place of a text that is no public key; never quotes it."""
    if text.startswith("whsec_"):
        return "a secret, not a public key: write it into secrets"
    if text.startswith("whsk_"):
        return f"a private key, which only the sender may have: write its public key, which begins with '{PREFIX}'"
    if text.startswith(("file:", "credential:")):
        return f"a public key is no secret: write the key itself, '{PREFIX}…'"
    return f"does not begin with '{PREFIX}': {_PASTE}"


def is_supported() -> bool:
    """Whether the extra is installed."""
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401
    except ImportError:
        return False
    return True


class PublicKey:
    """Checks signatures. Raises ValueError for a text that is no key, ImportError without the extra."""

    def __init__(self, text: str) -> None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        self._key = Ed25519PublicKey.from_public_bytes(raw_key(text))
        self._invalid = InvalidSignature

    def has_signed(self, signature: bytes, message: bytes) -> bool:
        """Whether a signature of this key covers a message."""
        try:
            self._key.verify(signature, message)
        except self._invalid:
            return False
        return True
