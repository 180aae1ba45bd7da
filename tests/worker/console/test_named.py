import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from hookbus.worker.console import named
from hookbus.worker.console.person import Person

GROUPS = {"viewer": frozenset({"staff"}), "operator": frozenset({"bus-admins", "/on.call"})}


def person(*pairs: tuple[str, str], groups=GROUPS, role="viewer") -> Person | None:
    return named.person(CIMultiDictProxy(CIMultiDict(pairs)), groups, role)


def of_groups(text: str) -> Person | None:
    return person(("X-Forwarded-User", "ann"), ("x-forwarded-groups", text))


@pytest.mark.parametrize(
    ("groups", "role"),
    [("staff", "viewer"), ("a, staff ,b", "viewer"), ("staff,bus-admins", "operator"), ("/on.call", "operator")],
)
def test_the_groups_of_a_person_tell_their_role(groups, role):
    assert of_groups(groups) == Person("ann", role)


@pytest.mark.parametrize(
    "groups", ["", "Staff", "staff2", "bus-admins.evil.example", "/onXcall", "xstaff", "bus-admins staff", "*"]
)
def test_groups_are_compared_whole(groups):
    assert of_groups(groups) is None


def test_without_groups_in_the_settings_each_has_the_same_role():
    assert person(("X-Forwarded-User", "ann"), groups={}, role="operator") == Person("ann", "operator")


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [("X-Forwarded-User", " ")],
        [("X-Forwarded-User", "ann"), ("X-Forwarded-User", "bob")],
        [("X-Forwarded-User", "a" * 201)],
        [("X-Forwarded-User", "ann"), ("X-Forwarded-Groups", "staff"), ("X-Forwarded-Groups", "bus-admins")],
    ],
)
def test_nobody_is_named_by_headers_that_are_missing_or_there_twice(pairs):
    assert person(*pairs) is None


def test_a_name_that_is_no_utf8_is_shown_by_its_bytes():
    found = person(("X-Forwarded-User", "a\udcff"), groups={})
    assert found is not None
    assert found.name == "a\\udcff"
