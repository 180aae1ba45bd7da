"""Signing secrets: how they are written, what key they stand for, and how they sign.

Standard Webhooks, "Signature scheme" (https://github.com/standard-webhooks/standard-webhooks): HMAC-SHA256 over
`{webhook-id}.{webhook-timestamp}.{body}`, base64, behind `v1,`.
"""

import base64
import binascii
import hmac
from typing import Final, Literal

Scheme = Literal["openai", "standard"]

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
"""The headers of a delivery."""

PREFIX: Final = "whsec_"
LEAST_KEY_BYTES: Final = 16
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
    if not secret.strip():
        raise ValueError("the secret is empty")
    if secret != secret.strip():
        raise ValueError("the secret has white space around it")
    if secret.startswith("v1,"):
        raise ValueError("the secret begins with 'v1,': paste only what follows, from 'whsec_' on")
    if not secret.startswith(PREFIX) and scheme == "openai":
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX).encode(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the secret is not valid base64" + _after_prefix(secret)) from None
    if not key:
        raise ValueError("the secret is empty" + _after_prefix(secret))
    return key


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
