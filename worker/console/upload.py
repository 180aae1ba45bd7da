"""A file that a browser uploads in a form, line by line as it comes: nothing of it is kept, and its size is bounded.

What ends early, is no form or is too large raises UploadError; the lines before that have been handed out.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from ...shared.command import FailedError

PATH: Final = "/import"
FIELD: Final = "file"
MAX_BYTES: Final = 256 * 1024 * 1024
"""100,000 letters with small bodies; the tool has no such bound."""
MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""A line is held in memory, several times over while it is read."""
MAX_FIELD_BYTES: Final = 4096
"""Of what comes before the file, such as the reason."""
MAX_PARTS: Final = 5
CHUNK_BYTES: Final = 64 * 1024
IDLE_S: Final = 20.0
"""How long a browser may send nothing."""
MOST_S: Final = 600.0
"""How long all of it may take: 256 MiB at 450 KB/s."""

_BROKEN: Final = (ValueError, AssertionError, HttpProcessingError, web.RequestPayloadError, OSError, EOFError)
"""What aiohttp raises for a form that is none, or ends early; OSError: the browser has left, or sends nothing."""


class UploadError(FailedError):
    """The upload can't be read; `status` is the code of the answer."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class Upload:
    """One upload: first `open`, then `lines` once. `name` is that of the file, `fields` came before it."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self._file: BodyPartReader | None = None
        self.name = ""
        self.fields: dict[str, str] = {}

    async def open(self) -> None:
        """Read up to the file. Raises UploadError."""
        if (self._request.content_length or 0) > MAX_BYTES + CHUNK_BYTES:
            raise _too_large()
        if self._request.content_type != "multipart/form-data":
            raise UploadError(400, "a file comes as multipart/form-data")
        try:
            parts = MultipartReader(self._request.headers, self._request.content)
            for _ in range(MAX_PARTS):
                async with asyncio.timeout(IDLE_S):
                    part = await parts.next()
                if not isinstance(part, BodyPartReader):
                    break
                if part.name == FIELD:
                    self._file, self.name = part, part.filename or ""
                    return
                self.fields[part.name or ""] = await self._field(part)
        except _BROKEN as error:
            raise _broken(error) from None
        raise UploadError(400, "there is no file in the form")

    async def _field(self, part: BodyPartReader) -> str:
        text = b""
        while chunk := await self._chunk(part):
            text += chunk
            if len(text) > MAX_FIELD_BYTES:
                raise UploadError(413, f"a field of the form has {MAX_FIELD_BYTES} bytes at most")
        return text.decode()

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines of the file, without their ends. Raises UploadError."""
        assert self._file is not None
        rest, number = bytearray(), 0
        try:
            async for chunk in self._chunks(self._file):
                rest += chunk
                *whole, last = rest.split(b"\n") if b"\n" in chunk else (rest,)
                for line in (*whole, last):
                    number += 1
                    if len(line) > MAX_LINE_BYTES:
                        raise UploadError(
                            413, f"line {number}: it has more than the {MAX_LINE_BYTES:,} bytes of a line"
                        )
                    if line is not last:
                        yield bytes(line)
                rest, number = last, number - 1
        except _BROKEN as error:
            raise _broken(error) from None
        if rest:
            yield bytes(rest)

    async def drain(self) -> None:
        """Read what is left: a browser shows no answer while it sends."""
        assert self._file is not None
        try:
            async for _ in self._chunks(self._file):
                pass
        except (*_BROKEN, UploadError):
            pass

    async def _chunks(self, part: BodyPartReader) -> AsyncIterator[bytes]:
        size = 0
        while chunk := await self._chunk(part):
            size += len(chunk)
            if size > MAX_BYTES:
                raise _too_large()
            yield chunk
        if not part.at_eof():
            raise EOFError

    async def _chunk(self, part: BodyPartReader) -> bytes:
        async with asyncio.timeout(IDLE_S):
            return await part.read_chunk(CHUNK_BYTES)


def _too_large() -> UploadError:
    return UploadError(413, f"the file has more than {MAX_BYTES // 1024**2} MiB: use hookbus-worker dlq import")


def _broken(error: Exception) -> UploadError:
    if isinstance(error, TimeoutError):
        return UploadError(408, f"the browser sent nothing for {IDLE_S:g} s")
    return UploadError(400, "the file did not arrive as a whole")
