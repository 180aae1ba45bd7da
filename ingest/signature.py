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

from ..shared import public_key
from ..shared.header_names import LONGEST_ID, WEBHOOK, HeaderNames, is_id
from ..shared.public_key import PublicKey
from ..shared.secret import Encoding, digest, key_bytes, signer

Code = Literal["missing_header", "malformed_header", "timestamp_stale", "timestamp_future", "signature_mismatch"]

LONGEST_TIMESTAMP: Final = 20
"""Digits. No date needs more than 64 bits, and int() of a long text costs quadratic time."""
MAX_SIGNATURES: Final = 16
"""Signatures compared. A sender in rotation sends two; each costs a comparison for every secret."""

_ENTRY = re.compile(r"(?<![^ ,\t])v1a?,[A-Za-z0-9+/=]+(?![^ ,\t])")


class SignatureError(Exception):
    """The sender must act. `code` is the error code of the response."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code: Code = code


class Verifier:
    """Verifies the requests of one source.

    `secrets` are as the issuer shows them, by convention newest first; `tolerance` is in seconds, both ways, inclusive;
    `names` are those of its headers, `public_keys` those of a sender that signs asymmetrically. Raises ValueError when
    there is nothing to verify by, or a secret is empty or can't be decoded.
    """

    def __init__(
        self,
        secrets: Sequence[str] | str,
        encoding: Encoding = "raw",
        tolerance: int = 300,
        names: HeaderNames = WEBHOOK,
        public_keys: Sequence[PublicKey] = (),
    ) -> None:
        # A single string is one secret, not a sequence of characters.
        secrets = (secrets,) if isinstance(secrets, str) else tuple(secrets)
        if not (secrets or public_keys):
            raise ValueError("at least one secret is needed")
        self._signers = tuple(signer(key_bytes(secret, encoding)) for secret in secrets)
        self._tolerance = tolerance
        self.names = names
        self._public_keys = tuple(public_keys)

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> int:
        """Return the index of the secret that signed this request; public keys count on after the secrets.

        `headers` is read by lower-case name (aiohttp's multidicts ignore case; the signatures of several lines
        all count); `now` is in Unix seconds.
        Raises SignatureError.
        """
        webhook_id, timestamp, signatures = _required(headers, self.names)
        self._check_age(timestamp, now)
        index = self._signer_of(webhook_id, timestamp, body, _candidates(signatures.split(" ", MAX_SIGNATURES)))
        if index is None and (others := _further_candidates(headers, self.names.signature)):
            index = self._signer_of(webhook_id, timestamp, body, others)
        if index is None and self._public_keys:
            index = self._public_signer_of(headers, b"%b.%b.%b" % (webhook_id, timestamp, body))
        if index is None:
            raise SignatureError("signature_mismatch", "no signature was made with a secret of this source")
        return index

    def _public_signer_of(self, headers: Mapping[str, str], message: bytes) -> int | None:
        """Checks the first candidate, and the second where there are few keys: a sender in rotation signs with two.

        A check costs fifty times an HMAC (measured): a forged request costs at most as many as a source may have keys.
        """
        entries = _ENTRY.findall(" ".join(_lines(headers, self.names.signature)))
        signatures = _candidates(entries, public_key.VERSION)
        candidates = [each for each in signatures if len(each) == public_key.SIGNATURE_BYTES]
        for candidate in candidates[: min(2, public_key.MAX_KEYS // len(self._public_keys))]:
            for index, key in enumerate(self._public_keys, len(self._signers)):
                if key.has_signed(candidate, message):
                    return index
        return None

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
    if not is_id(webhook_id):
        raise SignatureError("malformed_header", f"{id_name} is not 1 to {LONGEST_ID} visible ASCII characters")
    if not timestamp.isascii():
        raise SignatureError("malformed_header", f"{timestamp_name} is not a number of seconds")
    return webhook_id.encode(), timestamp.encode(), signatures


def _further_candidates(headers: Mapping[str, str], name: str) -> list[bytes]:
    """Signatures of further lines, as of a second signer, and of lines that a proxy joined (RFC 9110, 5.3)."""
    lines = _lines(headers, name)
    if len(lines) == 1 and lines[0].count(",") < 2:
        return []
    return _candidates(_ENTRY.findall(" ".join(lines)))


def _lines(headers: Mapping[str, str], name: str) -> Sequence[str]:
    return headers.getall(name) if isinstance(headers, MultiMapping) else [headers[name]]


def _candidates(entries: Sequence[str], wanted: str = "v1") -> list[bytes]:
    """The decoded signatures of a version; malformed entries are skipped, so that they can't hide a valid one."""
    candidates = []
    for entry in entries[:MAX_SIGNATURES]:
        version, comma, text = entry.partition(",")
        if version == wanted and comma:
            try:
                candidates.append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                continue
    return candidates
