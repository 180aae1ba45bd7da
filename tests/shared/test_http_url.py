import pytest

from hookbus.shared import http_url


@pytest.mark.parametrize(
    "url", ["http://x", "https://x/y", "HTTP://X/", "http://127.0.0.1:1/", "http://[::1]:8080/in", "http://u:p@x/"]
)
def test_urls_with_a_host_can_be_opened(url):
    assert http_url.problem(url) == ""


@pytest.mark.parametrize(
    "url",
    ["", "x", "x:8080/y", "ftp://x", "http://", "http:///x", "http://:80/", "http://x:99999/", "http://x:0/", "http://x:y/",
     "http://[::1", "//x/y", None, 5, b"http://x/"],
)  # fmt: skip
def test_others_can_not_and_tell_what_is_needed(url):
    assert "is needed" in http_url.problem(url)
