"""Every field that an address or a form of the console has, with every hostile text: no answer has it as markup.

Over HTTP, where that is cheap: in `test_hostile` a browser meets some of them.
"""

from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from hookbus.worker import audit
from hookbus.worker.console.draw import path as quoted
from hookbus.worker.console.verbs import VERBS
from tests.console import hostile_bus, visited
from tests.console.hostile import CORPUS
from tests.worker.builders import GROUP
from tests.worker.console.receiving import receiving
from tests.worker.console.serving import serving

pytestmark = pytest.mark.slow
FORM = {"verb": "redrive", "group": GROUP, "counted": "0", "pattern": "*"}
FOREIGN = {"img", "iframe", "object", "embed", "base", "style", "video", "audio", "math", "foreignobject"}
BY_VERB = {"/plan", "/run"}
"""Forms whose answer depends on the verb."""
LINKS = ("href", "src", "action", "formaction")


class Faults(HTMLParser):
    """What a page must not have."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        if tag in FOREIGN:
            self.found.append(tag)
        for name, value in attributes:
            is_elsewhere = name in LINKS and not (value or "").startswith(("/", "#", "?"))
            if name.startswith("on") or name == "style" or is_elsewhere:
                self.found.append(f"{name}={value}")


def check(response, text: str, of: str) -> None:
    assert response.status < 500, of
    if response.content_type != "text/html":
        assert response.content_type in ("text/plain", "application/octet-stream"), of
        return
    faults = Faults()
    faults.feed(text)
    assert faults.found == [], (of, faults.found)
    assert faults.scripts == (0 if "/part/" in of else 1), of


@pytest.fixture
async def bus(client, redis_url) -> dict[str, str]:
    """An example of each named part of a path, in a Redis full of hostile texts."""
    await hostile_bus.fill(client)
    (entry, *_) = await audit.fetch(client, 1)
    name = quoted(hostile_bus.name_of(CORPUS[0]))
    return {"group": GROUP, "name": name, "id": entry.id}


async def test_no_text_of_an_address_is_markup(redis_url, bus, monkeypatch):
    read = await visited.names(redis_url, bus, FORM, monkeypatch)
    addresses = [(path, name) for (method, path), names in read.items() for name in sorted(names) if method == "GET"]
    assert len(addresses) > len(read) / 2
    async with serving(redis_url, console_role="operator") as session:
        for path, name in addresses:
            for text in CORPUS:
                for start in ("", "/part"):
                    of = f"{start}{path}?{name}={quote(text, safe='')}"
                    async with session.get(of, headers={"Sec-Fetch-Site": "none"}) as response:
                        check(response, await response.text(errors="replace"), of)


@pytest.mark.parametrize("verb", VERBS)
async def test_no_text_of_a_form_is_markup(redis_url, bus, monkeypatch, verb):
    given = FORM | {"verb": verb}
    forms = await visited.form_fields(redis_url, bus, given, monkeypatch)
    if verb != FORM["verb"]:
        forms = [(path, name) for path, name in forms if path in BY_VERB]
    async with receiving() as receiver, serving(redis_url, **receiver.settings) as session:
        for path, name in forms:
            for text in CORPUS:
                async with session.post(path, data=given | {name: text}, headers=visited.OURS) as response:
                    check(response, await response.text(), f"{path} {name} {text}")
