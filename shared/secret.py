"""Signing secrets: their text forms, the HMAC key of each, and the signature.

Standard Webhooks, "Signature scheme" (https://github.com/standard-webhooks/standard-webhooks): HMAC-SHA256 over
`{webhook-id}.{webhook-timestamp}.{body}`, base64, behind `v1,`.
"""

import base64
import binascii
import hmac
import re
import unicodedata
from typing import Final, Literal

Scheme = Literal["openai", "standard"]
Encoding = Literal["base64", "raw"]
ENCODINGS: Final[dict[Scheme, Encoding]] = {"openai": "raw", "standard": "base64"}
"""How a secret without its prefix is read by default."""

PREFIX: Final = "whsec_"
QUOTES: Final = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
PLACEHOLDERS: Final = ("${", "$(", "{{", "<", "%(")
NO_SECRETS: Final = {
    "sk-": f"an API key: a webhook secret begins with '{PREFIX}'",
    "whpk_": "a public key: write it into public_keys",
    "whsk_": "a private key, which only the sender may have: write its public key ('whpk_') into public_keys",
}
"""Keys that are pasted by mistake: https://platform.openai.com/api-keys, and the other keys of Standard Webhooks."""
_ASSIGNMENT = re.compile(r"[A-Z_][A-Z0-9_]*=[^=]")
MIN_KEY_BYTES: Final = 16
"""Settings refuse shorter keys. The scheme requires 24 to 64 bytes, but some issuers use 16."""


class Secret(str):
    """A string that keeps itself out of logs, tracebacks and reprs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"


def key_bytes(secret: str, encoding: Encoding) -> bytes:
    """The HMAC key of a secret.

    A secret is `whsec_` + base64; without the prefix `encoding` counts: OpenAI's SDKs take the raw bytes. Raises
    ValueError, which never quotes the secret.
    """
    if problem := _mistake(secret):
        raise ValueError(f"the secret {problem}")
    if not secret.startswith(PREFIX) and encoding == "raw":
        return secret.encode()
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode((text + "=" * (-len(text) % 4)).encode(), validate=True)  # some issuers omit the padding
    except (binascii.Error, ValueError):
        raise ValueError("the secret is not valid base64" + _after_prefix(secret)) from None
    if not key:
        raise ValueError("the secret is empty" + _after_prefix(secret))
    return key


def key_problem(secret: str, encoding: Encoding) -> str:
    """Why settings refuse a secret, "" if they do not."""
    try:
        size = len(key_bytes(secret, encoding))
    except ValueError as error:
        may_be_raw = encoding == "base64" and not (secret.startswith(PREFIX) or _mistake(secret))
        return (
            f'{error}; if its characters themselves are the key, write encoding = "raw"' if may_be_raw else str(error)
        )
    return "" if size >= MIN_KEY_BYTES else f"a key of {size} bytes; at least {MIN_KEY_BYTES} are needed"


def _mistake(secret: str) -> str:
    """Why a text can't be a secret as its issuer shows it, "" if it can: a wrong one would refuse all."""
    where = secret.lower().rfind(PREFIX)
    no_secret = next((prefix for prefix in NO_SECRETS if secret.startswith(prefix)), "")
    # Control and format characters, separators.
    has_invisible = any(unicodedata.category(character)[0] in "CZ" for character in secret.strip())
    mistakes = (
        (not secret.strip(), "is empty"),
        (secret.startswith("v1,"), f"begins with 'v1,': paste only the part from '{PREFIX}' on"),
        (secret != secret.strip(), "has white space around it"),
        (secret[:1] in QUOTES or secret[-1:] in QUOTES, "is in quotes: remove them"),
        (has_invisible, "contains an invisible character, such as a byte order mark or a blank"),
        (secret.startswith(PLACEHOLDERS), "is a placeholder that was not replaced"),
        (no_secret, f"begins with '{no_secret}': it is {NO_SECRETS.get(no_secret)}"),
        (where > 0, f"has '{PREFIX}' in its middle: paste the part from there on, and separate several by blanks"),
        (where == 0 and not secret.startswith(PREFIX), f"begins with '{secret[:6]}', not with lower case '{PREFIX}'"),
        (_ASSIGNMENT.match(secret), "begins with the name of a variable: paste only the part after the '='"),
    )
    return next((problem for is_so, problem in mistakes if is_so), "")


def _after_prefix(secret: str) -> str:
    return f" after '{PREFIX}'" if secret.startswith(PREFIX) else ""


def signer(key: bytes) -> hmac.HMAC:
    """The prepared key for `digest`. Preparing a key takes as long as signing with it."""
    return hmac.new(key, digestmod="sha256")


def digest(signer: hmac.HMAC, webhook_id: bytes, timestamp: bytes, body: bytes) -> bytes:
    """The 32-byte signature of a delivery. It covers the exact wire bytes: nothing is parsed or encoded again."""
    mac = signer.copy()
    mac.update(b"%b.%b.%b" % (webhook_id, timestamp, body))
    return mac.digest()


def sign(key: bytes, webhook_id: str, timestamp: str, body: bytes) -> str:
    """A `webhook-signature` header value."""
    return "v1," + base64.b64encode(digest(signer(key), webhook_id.encode(), timestamp.encode(), body)).decode()
