import json

import pytest

from hookbus.events import BY_TYPE
from hookbus.ingest.source_types import NotAllowedError, SourceTypes
from hookbus.shared.prefixes import Owner
from hookbus.shared.secret import Secret
from hookbus.shared.sources import Source

OPENAI = Owner("openai", "", is_openai=True)
VERIFY = "hookbus.verify.1795830303-0e1732b843ed"
NOW_MS = 1_795_830_303_000


def types_of(*others: Owner, name: str = "partner", scheme="standard", **options) -> SourceTypes:
    source = Source(path="/in", secrets=(Secret("x"),), scheme=scheme, **options)
    owner = source.owner(name)
    return SourceTypes(source, owner, [OPENAI, owner, *others])


def test_the_prefix_is_put_before_each_type():
    types = types_of()
    assert types.name_of("order.paid") == "partner.order.paid"
    assert types.name_of("response.completed") == "partner.response.completed"
    assert types.name_of("claude.session.idle") == "partner.claude.session.idle"
    assert types.untyped == "partner.untyped"


def test_openais_types_keep_their_names():
    types = types_of(name="openai", scheme="openai")
    for name in (*BY_TYPE, "made.up"):
        assert types.name_of(name) == name
    assert types.untyped == "untyped"


@pytest.mark.parametrize("own", ["", "not a name", "a:b", "é", "x" * 129, "x" * 1_000_000])
def test_a_type_that_can_be_no_name_is_untyped(own):
    assert types_of().name_of(own) == "partner.untyped"
    assert types_of(prefix="").name_of(own) == "untyped"


def test_a_name_that_is_too_long_behind_its_prefix_is_untyped():
    assert types_of().name_of("x" * 120) == "partner." + "x" * 120
    assert types_of().name_of("x" * 121) == "partner.untyped"


@pytest.mark.parametrize("own", [*BY_TYPE, "response.imagined", "batch.x.y"])
def test_without_a_prefix_no_other_sender_may_use_openais_types(own):
    with pytest.raises(NotAllowedError, match="OpenAI"):
        types_of(prefix="").name_of(own)


@pytest.mark.parametrize("scheme", ["openai", "standard"])
def test_without_a_prefix_no_source_may_use_the_prefix_of_another(scheme):
    types = types_of(Owner("claude", "claude.", is_openai=False), scheme=scheme, prefix="")
    with pytest.raises(NotAllowedError, match="prefix of another source"):
        types.name_of("claude.session.idle")
    assert types.name_of("claude") == "claude"
    assert types.name_of("claudes.session.idle") == "claudes.session.idle"


def test_types_bound_what_a_source_may_send_by_its_own_names():
    types = types_of(types=("order.*", "refund"))
    assert types.name_of("order.paid") == "partner.order.paid"
    assert types.name_of("refund") == "partner.refund"
    for own in ("orders.paid", "order", "refund.paid", "partner.order.paid"):
        with pytest.raises(NotAllowedError, match="none of its types"):
            types.name_of(own)
    for own in ("", "not a name", "x" * 121):
        with pytest.raises(NotAllowedError, match="its body names no usable type at 'type', and types does not allow"):
            types.name_of(own)
    assert types_of(types=("untyped",)).name_of("") == "partner.untyped"


def test_events_of_verify_get_no_prefix_and_pass_all_types():
    for types in (types_of(), types_of(types=("order.*",)), types_of(prefix=""), types_of(scheme="openai")):
        assert types.name_of(VERIFY) == VERIFY


@pytest.mark.parametrize("own", ["hookbus.other", "hookbus.", "hookbus.verify", "hookbus.verify.junk7", VERIFY + "0"])
def test_other_types_of_hookbuss_own_are_refused(own):
    for types in (types_of(), types_of(prefix=""), types_of(scheme="openai")):
        with pytest.raises(NotAllowedError):
            types.name_of(own)


def test_an_error_quotes_no_more_than_a_name():
    with pytest.raises(NotAllowedError) as caught:
        types_of(types=("order.*",)).name_of("x" * 1_000_000)
    assert len(str(caught.value)) < 200


def test_the_type_is_read_where_the_source_has_it():
    body = {"type": "event", "created_at": NOW_MS // 1000 - 5, "data": {"type": "session.idle"}}
    assert types_of(type_at="data.type").head(json.dumps(body).encode(), NOW_MS) == ("session.idle", 4001)
    assert types_of().head(json.dumps(body).encode(), NOW_MS)[0] == "event"


@pytest.mark.parametrize("body", [b"[]", b"null", b"{}", b'{"data": 1}', b'{"type": "a"}', b"\xff", b""])
def test_a_body_without_a_type_at_that_place_names_none(body):
    assert types_of(type_at="data.type").head(body, NOW_MS) == ("", None)
