"""The three headers of a delivery: by Standard Webhooks they begin with `webhook-`, those of Svix with `svix-`.

Which ones a source uses is configured, and never guessed from a request: else a sender could mix two sets.
"""

import re
from typing import Final, Literal, NamedTuple

Headers = Literal["webhook", "svix"]


class HeaderNames(NamedTuple):
    """The names of the headers that a signature needs."""

    id: str
    timestamp: str
    signature: str


NAMES: Final[dict[Headers, HeaderNames]] = {
    "webhook": HeaderNames("webhook-id", "webhook-timestamp", "webhook-signature"),
    "svix": HeaderNames("svix-id", "svix-timestamp", "svix-signature"),
}
WEBHOOK: Final = NAMES["webhook"]

LONGEST_ID: Final = 255
_VISIBLE_ID = re.compile(rf"[!-~]{{1,{LONGEST_ID}}}")


def is_id(text: str) -> bool:
    """Whether a text can be a webhook-id: 1 to 255 visible ASCII characters, as it is signed, stored and displayed."""
    return _VISIBLE_ID.fullmatch(text) is not None
