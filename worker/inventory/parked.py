"""Parked deliveries as `park.lua` stores them: the fields of their redelivery, packed by Lua's cmsgpack.

It packs every string as text, whatever its bytes, where msgspec expects UTF-8. So each string is cut out as it is.
"""

from typing import Final

import msgspec

from ...shared.entry import Entry, parse

HEADER_BYTES: Final = {0xD9: 2, 0xDA: 3, 0xDB: 5}
"""Bytes before a string, by the first of them; the shortest strings have one.
https://github.com/msgpack/msgpack/blob/master/spec.md#str-format-family"""

_split = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


def decode(packed: bytes) -> Entry:
    """The entry of a parked delivery, at its coming attempt.

    Raises msgspec.DecodeError, KeyError or ValueError for what hookbus did not write.
    """
    strings = map(bytes, _split(packed))
    return parse([text[HEADER_BYTES.get(text[0], 1) :] for text in strings])
