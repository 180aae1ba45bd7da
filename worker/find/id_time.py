"""When an id was made, as far as its shape tells: a search looks there first.

A hint, nothing more: an id of random digits may look like one with a time. Pure.

OpenAI      `wh_`, `evt_`, `resp_`, `batch_` …, then Unix seconds as eight hex digits: webhook-id and webhook-timestamp
            of https://platform.openai.com/docs/guides/webhooks are wh_685342e6c53c… and 1750287078, which is 0x685342e6
KSUID       Svix and its users, `msg_` and 27 digits of base 62: https://github.com/segmentio/ksuid
UUID v7     48 bits of Unix ms: https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
ULID        the same in base 32: https://github.com/ulid/spec
"""

import re
from typing import Final

EARLIEST_MS: Final = 1_577_836_800_000
"""The year 2020: no event can be older that Redis still holds."""
LEAD_MS: Final = 86_400_000
"""How far a clock may be ahead that made an id."""

_BASE_62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE_32: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_KSUID_EPOCH_S: Final = 1_400_000_000
_OPENAI: Final = re.compile(r"[a-z_]+_([0-9a-f]{8})[0-9a-f]{16,}")
_KSUID: Final = re.compile(r"(?:[a-z]+_)?([0-9A-Za-z]{27})")
_UUID_7: Final = re.compile(r"(?:[a-z]+_)?([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)
_ULID: Final = re.compile(r"(?:[a-z]+_)?([0-7][0-9A-HJKMNP-TV-Z]{9})[0-9A-HJKMNP-TV-Z]{16}", re.I)


def made_ms(name: str, now_ms: int) -> int | None:
    """Unix ms of the time in an id; None if it has none, or one that no event in Redis can have."""
    found = _time_ms(name)
    return found if found is not None and EARLIEST_MS <= found <= now_ms + LEAD_MS else None


def _time_ms(name: str) -> int | None:
    if match := _OPENAI.fullmatch(name):
        return int(match[1], 16) * 1000
    if match := _UUID_7.fullmatch(name):
        return int(match[1] + match[2], 16)
    if match := _ULID.fullmatch(name):
        return _number(match[1].upper(), _BASE_32)
    if match := _KSUID.fullmatch(name):
        return ((_number(match[1], _BASE_62) >> 128) + _KSUID_EPOCH_S) * 1000
    return None


def _number(text: str, digits: str) -> int:
    value = 0
    for digit in text:
        value = value * len(digits) + digits.index(digit)
    return value
