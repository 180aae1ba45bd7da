"""Where a program listens."""


class Listen:
    """An address to listen on. Port 0 takes a free one. `setting`: the key, variable or option that gave it.

    Not a struct: msgspec would require an object, not text.
    """

    __slots__ = ("host", "port", "setting")

    def __init__(self, host: str, port: int, setting: str = "listen") -> None:
        self.host = host
        self.port = port
        self.setting = setting

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @classmethod
    def parse(cls, text: str) -> "Listen":
        """Read "host:port", "[ipv6]:port" or ":port" (all interfaces). Raises ValueError."""
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"expected host:port, got {text!r}")
        return cls(host or "0.0.0.0", int(port))  # noqa: S104 - an omitted host means all interfaces
