"""Test events: the documented example of a type, signed and posted to ingest as its sender would, so that it takes the
way of every event and handlers run for real.

What marks one is its webhook-id. A form has that before it is sent, and ingest stores an id once: a form that is sent
again, by a second press or after no answer, is no second event.
"""

import re
from dataclasses import dataclass
from typing import Final

import aiohttp

from ...shared import secret_refs, shell
from ...shared.command import FailedError
from ...shared.destination import Destination, destination
from ...shared.posting import ANSWER_TIMEOUT_S, REDIRECT, Answer, new_id, post, signed_request
from ...shared.samples import event_body
from ...shared.secret import Secret
from ...shared.settings import ConfigError
from ..settings import WorkerSettings

VERB: Final = "send"
PREFIX: Final = "test"
_ID: Final = re.compile(f"{PREFIX}_[0-9a-f]{{32}}")
SHOWN_CHARS: Final = 300
"""Of what a server answers, which may be any."""
REMEDIES: Final = {
    200: "the server at worker.console_send_url is not hookbus-ingest",
    401: "worker.console_send_secret is no secret of the source at worker.console_send_url",
    403: "the source at worker.console_send_url may not send this type",
    404: "ingest has no source at the path of worker.console_send_url, or the server there is not ingest",
    REDIRECT: "worker.console_send_url must be that of ingest itself",
    503: "ingest can't store it now; hookbus-ingest check tells why",
}


def is_test(webhook_id: str) -> bool:
    """Whether an event's id is like one of a test event; senders may use such ids, too."""
    return _ID.fullmatch(webhook_id) is not None


def fresh_id() -> str:
    """The webhook-id of the next test event."""
    return new_id(PREFIX)


@dataclass(frozen=True, slots=True)
class Sending:
    """Where test events go, and what they are signed with."""

    url: str
    secret: Secret

    def command(self, event_type: str) -> str:
        """The command that sends the same event, for a shell with ingest's settings or one that may read the file of
        the secret; any other secret is left out."""
        words = ["hookbus-ingest", "send", event_type, "--url", self.url]
        words += ["--secret", self.secret] if self.secret.startswith(secret_refs.FILE) else []
        return shell.command(words)

    def destination(self) -> Destination:
        """Reads the secret. Raises ValueError, which never quotes it."""
        return destination(None, url=self.url, secret=self.secret)

    async def send(self, event_type: str, webhook_id: str) -> Answer:
        """Post a fresh event of a type. Raises FailedError when its secret can't be read."""
        try:
            to = self.destination()
        except ValueError as error:
            raise FailedError(f"worker.console_send_secret: {error}") from None
        request = signed_request(to.key, event_body(event_type), webhook_id)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            return await post(session, to.url, request, timeout_s=ANSWER_TIMEOUT_S)


def sending(settings: WorkerSettings) -> Sending | None:
    """The sending of these settings, None without. Raises ConfigError when its secret can't be used."""
    if not settings.console_send_url:
        return None
    found = Sending(settings.console_send_url, settings.console_send_secret)
    try:
        found.destination()
    except ValueError as error:
        raise ConfigError([f"worker.console_send_secret: {error}"]) from None
    return found


def refusal(answer: Answer) -> str:
    """Why an answer is no acceptance, and what to do."""
    return answer.refusal(REMEDIES)[:SHOWN_CHARS]
