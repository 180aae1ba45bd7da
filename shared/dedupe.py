"""How an event is remembered within the dedupe window: a digest of source and webhook-id in the set of its day.

A set tells whether an event was stored, and on which day, but not where.
"""

import hashlib
from typing import Final

DIGEST_BYTES: Final = 16
DAY_MS: Final = 86_400_000


def digest_of(source: str, webhook_id: str) -> bytes:
    """16 bytes of source and webhook-id.

    Ids are unique for their sender only; without the source, one sender's id could swallow another's event.
    """
    return hashlib.blake2b(f"{source}\n{webhook_id}".encode(), digest_size=DIGEST_BYTES).digest()
