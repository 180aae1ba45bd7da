"""Signing secrets: how they are written, what key they stand for, and how they sign.

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

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
"""The headers of a delivery."""

PREFIX: Final = "whsec_"
QUOTES: Final = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
PLACEHOLDERS: Final = ("${", "$(", "{{", "<", "%(")
NO_SECRETS: Final = {
    "sk-": "an API key",
    "whpk_": "a public key, for asymmetric signatures",
    "whsk_": "a private key, for asymmetric signatures",
}
"""What is pasted by mistake: https://platform.openai.com/api-keys, and the other keys of Standard Webhooks."""
_ASSIGNMENT = re.compile(r"[A-Z_][A-Z0-9_]*=[^=]")
MIN_KEY_BYTES: Final = 16
"""Settings refuse shorter keys; the scheme asks for 24 to 64 bytes, some issuers give 16."""


class Secret(str):
    """A string that keeps itself out of logs, tracebacks and reprs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"


def key_bytes(secret: str, scheme: Scheme) -> bytes:
    """The HMAC key that a secret stands for.

    `whsec_` + base64; without the prefix it is raw bytes for an `openai` source (as OpenAI's SDKs take it) and
    base64 for a `standard` one. Raises ValueError, which never quotes the secret.
    """
    if problem := _mistake(secret):
        raise ValueError(f"the secret {problem}")
    if not secret.startswith(PREFIX) and scheme == "openai":
        return secret.encode()
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(
            (text + "=" * (-len(text) % 4)).encode(), validate=True
        )  # some issuers leave out the end
    except (binascii.Error, ValueError):
        raise ValueError("the secret is not valid base64" + _after_prefix(secret)) from None
    if not key:
        raise ValueError("the secret is empty" + _after_prefix(secret))
    return key


def _mistake(secret: str) -> str:
    """Why a text can't be a secret as its issuer shows it, "" if it can: who starts with a wrong one refuses all."""
    where = secret.lower().rfind(PREFIX)
    no_secret = next((prefix for prefix in NO_SECRETS if secret.startswith(prefix)), "")
    # Control and format characters, separators. The first that holds is told.
    unseen = any(unicodedata.category(one)[0] in "CZ" for one in secret.strip())
    mistakes = (
        (not secret.strip(), "is empty"),
        (secret.startswith("v1,"), f"begins with 'v1,': paste only what follows, from '{PREFIX}' on"),
        (secret != secret.strip(), "has white space around it"),
        (secret[:1] in QUOTES or secret[-1:] in QUOTES, "is in quotes: leave them out"),
        (unseen, "has a character that can't be seen in it, as a byte order mark or a blank"),
        (secret.startswith(PLACEHOLDERS), "is a placeholder that nothing filled in"),
        (no_secret, f"is {NO_SECRETS.get(no_secret)}, as '{no_secret}' says; a webhook's begins with '{PREFIX}'"),
        (where > 0, f"has '{PREFIX}' in its middle: paste what begins there, and separate several by blanks"),
        (where == 0 and not secret.startswith(PREFIX), f"begins with '{secret[:6]}', not with lower case '{PREFIX}'"),
        (_ASSIGNMENT.match(secret), "begins with the name of a variable: paste only what is behind the '='"),
    )
    return next((says for is_so, says in mistakes if is_so), "")


def _after_prefix(secret: str) -> str:
    return f" after '{PREFIX}'" if secret.startswith(PREFIX) else ""


def signer(key: bytes) -> hmac.HMAC:
    """What `digest` starts from. To prepare a key takes as long as to sign with it."""
    return hmac.new(key, digestmod="sha256")


def digest(signer: hmac.HMAC, webhook_id: bytes, timestamp: bytes, body: bytes) -> bytes:
    """The 32 bytes that sign a delivery. Exact wire bytes go in: nothing is parsed or encoded again."""
    mac = signer.copy()
    mac.update(b"%b.%b.%b" % (webhook_id, timestamp, body))
    return mac.digest()


def sign(key: bytes, webhook_id: str, timestamp: str, body: bytes) -> str:
    """A `webhook-signature` header value."""
    return "v1," + base64.b64encode(digest(signer(key), webhook_id.encode(), timestamp.encode(), body)).decode()
