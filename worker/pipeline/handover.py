"""Hands deliveries over to the other consumers of a group, which counts as no attempt and no death."""

from collections.abc import Sequence

from ...shared import keys, scripts
from ...shared.keys import HANDOVER


def release(stream: str, group: str, consumer: str, count: int, entry_ids: Sequence[bytes] = ()) -> scripts.Call:
    """The script call that releases what is pending for a consumer on one stream: these entries, else up to `count`."""
    args: list[scripts.Argument] = [group, consumer, HANDOVER, count, *entry_ids]
    return scripts.Call(scripts.RELEASE, (stream, keys.of(stream).consumers(group)), args)
