"""How long a certificate holds, out of its PEM form: Python tells that of a peer's only.

X.509 in DER, RFC 5280 section 4.1: Certificate → TBSCertificate → version?, serial, algorithm, issuer, validity.
"""

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

SOON_S: Final = 14 * 86_400.0
SOON_SHARE: Final = 0.25
"""Of its life: tools that renew by themselves do so after two thirds (cert-manager), however short that life is."""

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17


class Validity(NamedTuple):
    """Unix seconds."""

    begins_s: float
    ends_s: float

    def ends_soon(self, now_s: float) -> bool:
        """Whether it should have been renewed by now."""
        return self.ends_s - now_s < min(SOON_S, SOON_SHARE * (self.ends_s - self.begins_s))


def of_peer(certificate: dict[str, object]) -> Validity:
    """Of what `SSLSocket.getpeercert` returned."""
    begins, ends = (ssl.cert_time_to_seconds(str(certificate[name])) for name in ("notBefore", "notAfter"))
    return Validity(begins, ends)


def of_pem(text: str) -> Validity:
    """Of the first certificate in a file. Raises ValueError where there is none."""
    found = _PEM.search(text)
    if found is None:
        raise ValueError("no certificate in PEM form")
    ((_, certificate),) = _parts(ssl.PEM_cert_to_DER_cert(found[0]))
    (_, tbs), *_ = _parts(certificate)
    fields = [content for tag, content in _parts(tbs) if tag != _VERSION]
    begins, ends = (_seconds(tag, content) for tag, content in _parts(fields[3]))
    return Validity(begins, ends)


def _parts(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The tag and content of one element after the other."""
    at = 0
    while at < len(der):
        tag, size, begin = der[at], der[at + 1], at + 2
        if size & 0x80:  # the long form: so many bytes of length follow
            begin += size & 0x7F
            size = int.from_bytes(der[at + 2 : begin])
        at = begin + size
        yield tag, der[begin:at]


def _seconds(tag: int, content: bytes) -> float:
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(content.decode(), form).replace(tzinfo=UTC).timestamp()
