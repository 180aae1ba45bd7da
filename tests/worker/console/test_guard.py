import pytest

from hookbus.shared.listen import Listen
from hookbus.worker.console import guard
from hookbus.worker.console.guard import allowed, host_of, is_loopback

LOOPBACK = allowed(Listen("127.0.0.1", 9467), ["console.example.com"])


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", "localhost"),
        ("LocalHost:9467", "localhost"),
        ("127.0.0.1:9467", "127.0.0.1"),
        ("[::1]:9467", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("console.example.com:443", "console.example.com"),
        ("", ""),
        ("[::1", ""),
        ("[::1]9467", ""),
        ("::1", ""),
        ("localhost:port", ""),
        ("localhost:9467@evil.example", ""),
    ],
)
def test_a_host_header_has_one_host_or_none(header, host):
    assert host_of(header) == host


@pytest.mark.parametrize("host", ["127.0.0.1:9467", "localhost", "[::1]:1", "CONSOLE.example.com"])
def test_a_host_of_the_list_is_answered(host):
    assert LOOPBACK.refusal("GET", "/", {"Host": host}) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.com", "127.0.0.2", "2130706433", "localhost.evil.com", "a.console.example.com",
     ""],
)  # fmt: skip
def test_any_other_host_is_refused_whoever_resolves_it(host):
    for headers in ({"Host": host}, {}):
        refused = LOOPBACK.refusal("GET", "/", headers)
        assert refused is not None
        assert refused.status == 421


def test_a_console_on_all_interfaces_does_not_answer_under_their_address():
    assert "0.0.0.0" not in allowed(Listen("0.0.0.0", 9467), []).hosts


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "http://localhost:9467"}, True),
        ({"Origin": "https://LOCALHOST:9467"}, True),
        ({}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:9467"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://localhost:8000"}, False),
        ({"Origin": "http://evil.example"}, False),
    ],
)
def test_a_change_must_come_from_a_page_of_ours(headers, is_ours):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        refused = LOOPBACK.refusal(method, "/run", {"Host": "localhost:9467"} | headers)
        assert (refused is None) is is_ours
        assert refused is None or refused.status == 403


LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_of_what_pages_of_others_ask_for_only_a_link_that_fills_a_tab_is_answered(site):
    def code(path: str, **headers: str) -> int:
        refused = LOOPBACK.refusal("GET", path, {"Host": "localhost", "Sec-Fetch-Site": site} | headers)
        return refused.status if refused else 200

    assert code("/event", **LINK) == 200
    assert code("/event") == 403
    assert code("/event", **{"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}) == 403
    assert code("/event", **{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}) == 403
    assert code("/part/event", **LINK) == 403
    assert code("/part", **LINK) == 403
    assert code("/partial", **LINK) == 200


@pytest.mark.parametrize(
    ("headers", "is_asked_here"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Referer": "http://localhost:9467/"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Referer": "http://localhost:9467/dead?type=a"}, True),
        ({"Referer": "http://localhost:8000/"}, False),
        ({"Referer": "http://evil.example/?localhost:9467"}, False),
        ({"Referer": "http://[::1"}, False),
        ({}, False),
    ],
)
def test_a_link_in_a_page_of_others_is_told_from_what_people_ask_for_here(headers, is_asked_here):
    assert guard.is_asked_here({"Host": "localhost:9467"} | headers) is is_asked_here


def test_probes_are_answered_under_any_host_and_metrics_under_names_of_ours_and_addresses():
    def code(path: str, host: str, method: str = "GET", **headers: str) -> int:
        refused = LOOPBACK.refusal_of_probe(method, path, {"Host": host} | headers)
        return refused.status if refused else 200

    for path in ("/healthz", "/readyz"):
        assert code(path, "evil.example") == 200
        assert code(path, "localhost", "POST") == 405
    assert [code("/metrics", host) for host in ("10.0.0.7:9467", "localhost", "console.example.com", "[fe80::1]")] == [
        200
    ] * 4
    assert [code("/metrics", host) for host in ("evil.example", "10.0.0.7.evil.example", "")] == [421] * 3
    assert code("/metrics", "10.0.0.7:9467", **{"Sec-Fetch-Site": "cross-site"}) == 403


def test_loopback_is_told_by_the_address_not_by_its_look():
    assert [is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "127.0.0.1.evil.com", "10.0.0.1", "")] == [False] * 5


def test_the_policy_forbids_inline_code_framing_and_other_hosts():
    policy = guard.HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
