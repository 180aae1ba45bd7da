import pytest

from hookbus.shared import paths


@pytest.mark.parametrize("path", ["/", "/a", "/a/", "/a//b", "/webhooks/openai", "/a.b/..c/~x", "/a!$&'()*+,;=:@-_"])
def test_a_path_of_visible_ascii_can_be_requested(path):
    assert paths.problem(path) == ""


@pytest.mark.parametrize(
    "path", ["", "a", "http://x/", "/a b", "/a?b", "/a#b", "/a%20b", "/é", "/a\tb", "/a\x7f", "/a\n"]
)
def test_what_a_request_cannot_have_is_refused(path):
    assert paths.problem(path) == paths.RULE


@pytest.mark.parametrize(("path", "meant"), [("/x/../w/c", "/w/c"), ("/./a", "/a"), ("/a/..", "/")])
def test_dots_are_refused_with_what_to_write(path, meant):
    assert paths.problem(path) == f"senders resolve its dots: write {meant!r}"
    assert paths.plain(path) == meant


@pytest.mark.parametrize("path", ["/a/b", "/a/b/", "//a//b", "/a/./b", "/a/c/../b"])
def test_paths_that_differ_by_slashes_and_dots_are_one(path):
    assert paths.plain(path) == "/a/b"
