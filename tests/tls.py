"""Certificates for a test, and a TLS proxy in front of a server without TLS."""

import asyncio
import contextlib
import ssl
import subprocess
from pathlib import Path

from tests.gone import PEER_GONE


def make(folder: Path, authority: str, days: int = 100) -> None:
    """Write ca.crt, server.crt, server.key, client.crt and client.key of a new authority, over those of an old one."""
    folder.mkdir(exist_ok=True)
    _openssl(
        folder, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.new -days 100", "-subj", f"/CN={authority}"
    )
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:redis.test")
    for name in ("server", "client"):
        _openssl(folder, f"req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr", "-subj", f"/CN={name}")
        signed_by = f"-CA ca.new -CAkey ca.key -CAcreateserial -days {days} -extfile names"
        _openssl(folder, f"x509 -req -in {name}.csr -out {name}.crt {signed_by}")
    (folder / "ca.new").replace(folder / "ca.crt")


def _openssl(folder: Path, command: str, *more: str) -> None:
    subprocess.run(["openssl", *command.split(), *more], cwd=folder, check=True, capture_output=True)


class Front:
    """Terminates TLS with the certificates of a folder, and requires a certificate of each client."""

    def __init__(self, folder: Path, socket: Path) -> None:
        self._folder = folder
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self) -> "Front":
        """Listen with the current certificates."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self._folder / "ca.crt")
        context.load_cert_chain(self._folder / "server.crt", self._folder / "server.key")
        context.verify_mode = ssl.CERT_REQUIRED
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Cut all connections and stop listening."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(str(self._socket))
        self._writers |= {writer, far_writer}
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._writers -= {writer, far_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(*PEER_GONE):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()
