"""Checks what a test says of a delivery beside its event: nothing that ingest would not store."""

import re
from typing import Final

from ...shared import keys
from ...shared.header_names import is_id

TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""https://www.w3.org/TR/trace-context/; ingest drops any other."""


def check_metadata(*, source: object, webhook_id: object, traceparent: object) -> None:
    """Raises ValueError; "" stands for what is not given."""
    if source != "" and not (isinstance(source, str) and keys.is_name(source)):
        raise ValueError(f"source={source!r}: the name of a source is needed, 1 to 128 of A-Z a-z 0-9 _ . -")
    if webhook_id != "" and not (isinstance(webhook_id, str) and is_id(webhook_id)):
        raise ValueError(f"webhook_id={webhook_id!r}: 1 to 255 visible ASCII characters are needed")
    if traceparent != "" and not (isinstance(traceparent, str) and TRACEPARENT.fullmatch(traceparent)):
        raise ValueError(f"traceparent={traceparent!r}: 00-<32 hex digits>-<16 hex digits>-01 is needed")
