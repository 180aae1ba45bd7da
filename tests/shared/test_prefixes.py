import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.events import BY_TYPE
from hookbus.shared.prefixes import MAX_CHARS, OPENAIS, Owner, problems

OPENAI = Owner("openai", "", is_openai=True)


def partner(prefix: str, name: str = "partner", *, is_openai: bool = False) -> Owner:
    return Owner(name, prefix, is_openai)


@pytest.mark.parametrize("prefix", ["", "partner.", "a.b.", "x_1-y.", "X." * 32, "open.", "batched.", "hookbu."])
def test_a_prefix_of_names_and_dots_is_possible(prefix):
    assert problems([OPENAI, partner(prefix)]) == []


@pytest.mark.parametrize(
    ("prefix", "problem"),
    [
        ("partner", "'partner' does not end in a dot: write prefix = \"partner.\""),
        (".", 'single dots: write one such as prefix = "x."'),
        (".a.", "single dots"),
        ("a..", "single dots"),
        ("a b.", "single dots"),
        ("é.", "single dots"),
        ("a:b.", "single dots"),
        ("x" * MAX_CHARS + ".", f"2 to {MAX_CHARS}"),
        ("hookbus.", 'reserved for hookbus\'s own events: write another, such as prefix = "from_partner."'),
        ("hookbus.verify.", "reserved for hookbus's own events"),
        ("response.", "begins as OpenAI's types do ('response.'): write another"),
        ("response.mine.", "begins as OpenAI's types do ('response.')"),
        ("fine_tuning.job.", "begins as OpenAI's types do ('fine_tuning.')"),
        ("batch.failed.", "begins as OpenAI's types do ('batch.')"),
        ("batch.x.", "begins as OpenAI's types do ('batch.')"),
    ],
)
@pytest.mark.parametrize("is_openai", [False, True])
def test_an_impossible_prefix_is_refused_with_what_to_write(prefix, problem, is_openai):
    (found,) = problems([OPENAI, partner(prefix, is_openai=is_openai)])
    assert found.startswith("ingest.sources.partner.prefix: ")
    assert problem in found


@pytest.mark.parametrize("name", BY_TYPE)
def test_every_type_of_openais_begins_as_its_types_do(name):
    assert name.startswith(OPENAIS)


@pytest.mark.parametrize(("one", "other"), [("a.", "a."), ("a.", "a.b."), ("a.b.", "a."), ("", "")])
def test_two_senders_never_share_types(one, other):
    (found,) = problems([OPENAI, partner(one, "one"), partner(other, "other")])
    assert found.startswith(f"ingest.sources.one.prefix: {one!r} clashes with {other!r} of ingest.sources.other")
    assert 'write another, such as prefix = "from_one."' in found


@pytest.mark.parametrize(("one", "other"), [("a.", "b."), ("a.", "ab."), ("ab.", "a."), ("", "a.")])
def test_different_prefixes_share_nothing(one, other):
    assert problems([OPENAI, partner(one, "one"), partner(other, "other")]) == []


@pytest.mark.parametrize("prefix", ["", "second."])
def test_sources_of_openai_may_share_their_types(prefix):
    both = [partner(prefix, "org", is_openai=True), partner(prefix, "project", is_openai=True)]
    assert problems(both) == []
    assert problems([partner(prefix, "org", is_openai=True), partner(prefix, "other")]) == [] if not prefix else True


def test_a_sender_may_not_share_a_prefix_with_a_source_of_openai():
    assert len(problems([partner("x.", "org", is_openai=True), partner("x.", "other")])) == 1
    assert len(problems([partner("x.", "org", is_openai=True), partner("x.y.", "second", is_openai=True)])) == 1


NAMES = st.from_regex(r"([ab]{1,2}\.){1,3}", fullmatch=True)


@given(st.lists(NAMES, min_size=2, max_size=4), st.from_regex(r"[ab]{1,2}(\.[ab]{1,2}){0,2}", fullmatch=True))
def test_with_accepted_prefixes_a_stored_type_has_one_owner(prefixes, own):
    owners = [partner(prefix, f"source_{i}") for i, prefix in enumerate(prefixes)]
    if problems(owners):
        return
    for owner in owners:
        assert [each for each in owners if (owner.prefix + own).startswith(each.prefix)] == [owner]
        assert owner.prefix + own not in BY_TYPE
