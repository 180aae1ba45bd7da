"""TLS to Redis: trusted certificates and our own, in files that are read again when they have changed.

Each new connection gets the current context, so that certificates which a tool renews (cert-manager, Vault) need no
restart. While a tool has replaced only some of the files, the previous ones stay in force.
"""

import ssl
from pathlib import Path
from typing import Final, NoReturn

from . import certificate, secret_refs
from .certificate import Validity

CA_FILE: Final = "redis_ca_file"
CERT_FILE: Final = "redis_cert_file"
KEY_FILE: Final = "redis_key_file"
SERVER_NAME: Final = "redis_server_name"


class TlsError(OSError):
    """Begins with the key of the setting, and names the file."""


class Tls:
    """The settings of that name: paths, `file:PATH` or `credential:NAME`, "" for none."""

    def __init__(self, ca_file: str = "", cert_file: str = "", key_file: str = "", server_name: str = "") -> None:
        self._named = {CA_FILE: ca_file, CERT_FILE: cert_file, KEY_FILE: key_file}
        self.server_name = server_name
        self.server: Validity | None = None
        """Validity of the certificate that the server presented last."""
        self.stamps: list[tuple[int, ...]] = []
        """Modification time, inode and size of each file: they differ once a file is replaced."""
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """The context for a new connection. Raises TlsError if a file is invalid and there is no earlier context."""
        try:
            paths = self._paths()
            stamps = [_stamp(path) for path in paths.values()]
            if self._context is None or stamps != self.stamps:
                self._context = _load(paths)
                self.stamps = stamps
        except OSError:
            if self._context is None:
                raise
        assert self._context is not None
        return self._context

    def saw(self, certificate_of_peer: dict[str, object] | None) -> None:
        """Record the validity of the server's certificate."""
        self.server = certificate.of_peer(certificate_of_peer) if certificate_of_peer else None

    def check(self) -> None:
        """Raises TlsError unless each file can be read and holds what its setting requires."""
        paths = self._paths()
        if KEY_FILE in paths and CERT_FILE not in paths:
            raise TlsError(f"{KEY_FILE}: set without {CERT_FILE}")
        for key, path in paths.items():
            try:
                path.read_bytes()
            except OSError as error:
                raise TlsError(f"{key}: {path}: {error.strerror}") from None
        _load(paths)

    def client(self) -> Validity | None:
        """Validity of our own certificate, None without one. Raises TlsError, OSError, ValueError."""
        path = self._paths().get(CERT_FILE)
        return certificate.of_pem(path.read_text()) if path else None

    def _paths(self) -> dict[str, Path]:
        found = {}
        for key, named in self._named.items():
            if named:
                try:
                    found[key] = secret_refs.path(named)
                except ValueError as error:
                    raise TlsError(f"{key}: {error}") from None
        return found


def _stamp(path: Path) -> tuple[int, ...]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _load(paths: dict[str, Path]) -> ssl.SSLContext:
    ca, cert, key = (paths.get(name) for name in (CA_FILE, CERT_FILE, KEY_FILE))
    try:
        # With a file the context trusts only that file, without one the certificates of the system.
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        raise TlsError(f"{CA_FILE}: {ca}: no certificate in PEM form") from None
    if cert:
        try:
            context.load_cert_chain(cert, key, password=lambda: _refuse(f"{KEY_FILE}: {key or cert}: it is encrypted"))
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise TlsError(f"{KEY_FILE}: {key or cert}: not the key of {CERT_FILE}") from None
            raise TlsError(f"{CERT_FILE}: {cert}: no certificate with its key in PEM form") from None
    return context


def _refuse(problem: str) -> NoReturn:
    raise TlsError(problem)
