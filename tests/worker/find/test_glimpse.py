"""A look at more than one reply holds. What a look finds: `test_lives`."""

import pytest

from hookbus.worker.find import glimpse
from hookbus.worker.find.glimpse import Glimpse, Pending
from hookbus.worker.find.life import Subject
from tests.worker.builders import GROUP, KEYS, TYPE

SUBJECT = Subject(KEYS, "wh_1", "openai", TYPE)
NOTHING, NOTHING_IN_PARTS = Glimpse(), Glimpse(was_at_once=False)
FOUND = Glimpse(pending=Pending("me", 0, 1), was_at_once=False)


@pytest.mark.parametrize(
    ("looks", "needed"),
    [
        ((NOTHING,), 1),
        ((FOUND,), 1),
        ((NOTHING_IN_PARTS, FOUND), 2),  # it moved on between two parts
        ((NOTHING_IN_PARTS, NOTHING_IN_PARTS), 2),
    ],
)
async def test_nothing_in_many_parts_is_looked_for_once_more(client, monkeypatch, looks, needed):
    left = iter(looks)

    async def look(*_args: object) -> Glimpse:
        return next(left)

    monkeypatch.setattr(glimpse, "_look", look)
    assert await glimpse.look(client, SUBJECT, GROUP, [TYPE], 1000) is looks[needed - 1]
    assert list(left) == []
