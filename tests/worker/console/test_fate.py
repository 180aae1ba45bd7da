import pytest

from hookbus.worker.audit import Entry
from hookbus.worker.console import fate


def entry(number, verb="dlq redrive", moved=1, **criteria) -> Entry:
    lists = {name: [text] for name, text in criteria.items()}
    return Entry(id=f"{number}-0", begun_ms=number, verb=verb, who="ann@host", criteria=lists, moved=moved)


@pytest.mark.parametrize(
    ("entries", "known", "possible"),
    [
        ([], None, []),
        ([entry(1, id="wh_1")], 1, []),
        ([entry(2, id="wh_1", group="audit"), entry(1, id="wh_1", group="billing")], 1, []),
        ([entry(2, id="wh_2"), entry(1, verb="dlq import", id="wh_1")], None, []),
        ([entry(2, id="wh_1", moved=0), entry(1, id="wh_1", moved=None)], 1, []),
        ([entry(3, type="batch.*"), entry(2, group="audit"), entry(1, group="billing")], None, [3, 1]),
        ([entry(n) for n in range(40, 0, -1)], None, list(range(40, 30, -1))),
    ],
)
def test_a_letter_was_moved_by_what_names_it_or_perhaps_by_a_filter_that_covers_its_group(entries, known, possible):
    found = fate.of(entries, "billing", "wh_1")
    assert (found.known and found.known.begun_ms) == known
    assert [each.begun_ms for each in found.possible] == possible
