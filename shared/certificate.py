"""The validity of a certificate, read from its PEM form: Python's `ssl` reports only that of a peer.

X.509 in DER, RFC 5280 section 4.1: Certificate → TBSCertificate → version?, serial, algorithm, issuer, validity.
"""

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

SOON_S: Final = 14 * 86_400.0
SOON_SHARE: Final = 0.25
"""Share of the lifetime: automatic renewal happens after two thirds of it (cert-manager), however short it is."""

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17


class Validity(NamedTuple):
    """When a certificate begins and ends to be valid, Unix seconds."""

    begins_s: float
    ends_s: float

    def ends_soon(self, now_s: float) -> bool:
        """Whether the certificate should have been renewed by now."""
        return self.ends_s - now_s < min(SOON_S, SOON_SHARE * (self.ends_s - self.begins_s))


def of_peer(certificate: dict[str, object]) -> Validity:
    """The validity in a result of `SSLSocket.getpeercert`."""
    begins, ends = (ssl.cert_time_to_seconds(str(certificate[name])) for name in ("notBefore", "notAfter"))
    return Validity(begins, ends)


def of_pem(text: str) -> Validity:
    """The validity of the first certificate in a PEM text. Raises ValueError if there is none."""
    match = _PEM.search(text)
    if match is None:
        raise ValueError("no certificate in PEM form")
    ((_, certificate),) = _parts(ssl.PEM_cert_to_DER_cert(match[0]))
    (_, tbs), *_ = _parts(certificate)
    fields = [content for tag, content in _parts(tbs) if tag != _VERSION]
    begins, ends = (_seconds(tag, content) for tag, content in _parts(fields[3]))
    return Validity(begins, ends)


def _parts(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element in turn."""
    at = 0
    while at < len(der):
        tag, size, begin = der[at], der[at + 1], at + 2
        if size & 0x80:  # the long form: the low bits count the bytes of the length that follow
            begin += size & 0x7F
            size = int.from_bytes(der[at + 2 : begin])
        at = begin + size
        yield tag, der[begin:at]


def _seconds(tag: int, content: bytes) -> float:
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(content.decode(), form).replace(tzinfo=UTC).timestamp()
