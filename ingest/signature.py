"""Verifies that a request was signed recently with one of a source's secrets. Pure: the time is an argument.

Follows Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)
as OpenAI signs (https://platform.openai.com/docs/guides/webhooks). Stricter than some SDKs: the timestamp is ASCII
digits, a signature without its `v1,` is no signature. Raises nothing but `SignatureError`, whatever the input.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from multidict import MultiMapping

from ..shared.header_names import WEBHOOK, HeaderNames
from ..shared.secret import Encoding, digest, key_bytes, signer

Code = Literal["missing_header", "malformed_header", "timestamp_stale", "timestamp_future", "signature_mismatch"]

LONGEST_ID: Final = 255
LONGEST_TIMESTAMP: Final = 20
"""Digits. No date needs more than 64 bits, and int() of a long text costs quadratic time."""
MAX_SIGNATURES: Final = 16
"""Signatures compared. A sender in rotation sends two; each costs a comparison for every secret."""

_ENTRY = re.compile(r"(?<![^ ,\t])v1,[A-Za-z0-9+/=]+(?![^ ,\t])")
_VISIBLE_ID = re.compile(rf"[!-~]{{1,{LONGEST_ID}}}")
"""Visible ASCII, because the id is signed, stored and displayed."""


class SignatureError(Exception):
    """The sender must act. `code` is the error code of the response."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code: Code = code


class Verifier:
    """Verifies the requests of one source.

    `secrets` are as the issuer shows them, by convention newest first; `tolerance` is in seconds, both ways, inclusive;
    `names` are those of its headers. Raises ValueError when there is no secret, or one is empty or can't be decoded.
    """

    def __init__(
        self,
        secrets: Sequence[str] | str,
        encoding: Encoding = "raw",
        tolerance: int = 300,
        names: HeaderNames = WEBHOOK,
    ) -> None:
        # A single string is one secret, not a sequence of characters.
        secrets = (secrets,) if isinstance(secrets, str) else tuple(secrets)
        if not secrets:
            raise ValueError("at least one secret is needed")
        self._signers = tuple(signer(key_bytes(secret, encoding)) for secret in secrets)
        self._tolerance = tolerance
        self.names = names

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> int:
        """Return the index of the secret that signed this request.

        `headers` is read by lower-case name (aiohttp's multidicts ignore case; the signatures of several lines
        all count); `now` is in Unix seconds.
        Raises SignatureError.
        """
        webhook_id, timestamp, signatures = _required(headers, self.names)
        self._check_age(timestamp, now)
        index = self._signer_of(webhook_id, timestamp, body, _candidates(signatures.split(" ", MAX_SIGNATURES)))
        if index is None and (others := _further_candidates(headers, self.names.signature)):
            index = self._signer_of(webhook_id, timestamp, body, others)
        if index is None:
            raise SignatureError("signature_mismatch", "no signature was made with a secret of this source")
        return index

    def _signer_of(self, webhook_id: bytes, timestamp: bytes, body: bytes, candidates: Sequence[bytes]) -> int | None:
        for index, mac in enumerate(self._signers):
            expected = digest(mac, webhook_id, timestamp, body)
            for candidate in candidates:
                if hmac.compare_digest(expected, candidate):
                    return index
        return None

    def _check_age(self, timestamp: bytes, now: float) -> None:
        if not timestamp.isdigit() or len(timestamp) > LONGEST_TIMESTAMP:
            raise SignatureError("malformed_header", f"{self.names.timestamp} is not a number of seconds")
        age_s = now - int(timestamp)
        if age_s > self._tolerance:
            raise SignatureError("timestamp_stale", f"signed {age_s:.0f} s ago")
        if -age_s > self._tolerance:
            raise SignatureError("timestamp_future", f"signed {-age_s:.0f} s ahead of our clock")


def _required(headers: Mapping[str, str], names: HeaderNames) -> tuple[bytes, bytes, str]:
    id_name, timestamp_name, signature_name = names
    values = headers.get(id_name), headers.get(timestamp_name), headers.get(signature_name)
    webhook_id, timestamp, signatures = values
    if webhook_id is None or timestamp is None or signatures is None:
        missing = [name for name, value in zip(names, values, strict=True) if value is None]
        raise SignatureError("missing_header", ", ".join(missing))
    if _VISIBLE_ID.fullmatch(webhook_id) is None:
        raise SignatureError("malformed_header", f"{id_name} is not 1 to {LONGEST_ID} visible ASCII characters")
    if not timestamp.isascii():
        raise SignatureError("malformed_header", f"{timestamp_name} is not a number of seconds")
    return webhook_id.encode(), timestamp.encode(), signatures


def _further_candidates(headers: Mapping[str, str], name: str) -> list[bytes]:
    """Signatures of further lines, as of a second signer, and of lines that a proxy joined (RFC 9110, 5.3)."""
    lines = headers.getall(name) if isinstance(headers, MultiMapping) else [headers[name]]
    if len(lines) == 1 and lines[0].count(",") < 2:
        return []
    return _candidates(_ENTRY.findall(" ".join(lines)))


def _candidates(entries: Sequence[str]) -> list[bytes]:
    """The decoded `v1` signatures; malformed entries are skipped, so that they can't hide a valid one."""
    candidates = []
    for entry in entries[:MAX_SIGNATURES]:
        version, comma, text = entry.partition(",")
        if version == "v1" and comma:
            try:
                candidates.append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                continue
    return candidates
