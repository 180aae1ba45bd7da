"""The part of systemd that receives the notifications of a program."""

import socket


class Manager:
    """Listens at an address of AF_UNIX, which begins with NUL if it is abstract."""

    def __init__(self, address: str) -> None:
        self._in = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._in.bind(address)
        self._in.setblocking(False)
        self.environ = {"NOTIFY_SOCKET": address.replace("\0", "@")}
        self.lines: list[str] = []

    def received(self, *starts: str) -> bool:
        """Whether lines that begin so arrived, in that order."""
        self.receive()
        lines = iter(self.lines)
        return all(any(line.startswith(start) for line in lines) for start in starts)

    def receive(self) -> list[str]:
        """All lines so far."""
        while True:
            try:
                self.lines += self._in.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.lines

    def close(self) -> None:
        self._in.close()
