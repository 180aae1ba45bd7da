import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from hookbus.worker.console import proxies
from hookbus.worker.console.proxies import Headers

TRUSTED = proxies.parse(["10.0.0.7", "10.1.0.0/16", "::1"])


def headers(*pairs: tuple[str, str]) -> Headers:
    return CIMultiDictProxy(CIMultiDict(pairs))


@pytest.mark.parametrize("peer", ["10.0.0.7", "::ffff:10.0.0.7", "10.1.255.1", "::1"])
def test_an_address_of_the_list_is_trusted_in_each_spelling(peer):
    assert TRUSTED.has(peer)


@pytest.mark.parametrize("peer", ["10.0.0.70", "10.2.0.1", "::2", "10.0.0.7.evil.example", "", None])
def test_no_other_is(peer):
    assert not TRUSTED.has(peer)


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "proxy.example", "10.0.0.1/8", ""])
def test_a_list_trusts_addresses_and_not_everybody(text):
    with pytest.raises(ValueError, match=r".+"):
        proxies.parse([text])


@pytest.mark.parametrize(
    ("peer", "values", "sender"),
    [
        ("10.0.0.7", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.7", ["1.1.1.1, 203.0.113.9, 10.1.0.4"], "203.0.113.9"),
        ("10.0.0.7", ["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.7", ["1.1.1.1, junk"], "10.0.0.7"),
        ("10.0.0.7", ["10.1.0.4"], "10.0.0.7"),
        ("10.0.0.7", [], "10.0.0.7"),
        ("203.0.113.1", ["1.1.1.1"], "203.0.113.1"),
        (None, ["1.1.1.1"], ""),
    ],
)
def test_the_sender_is_the_last_address_that_no_proxy_of_ours_has(peer, values, sender):
    assert TRUSTED.sender(peer, headers(*((proxies.FOR, value) for value in values))) == sender


def test_https_is_believed_of_a_trusted_proxy_alone():
    https = headers((proxies.PROTO, "https"))
    assert TRUSTED.is_https("10.0.0.7", https)
    assert not TRUSTED.is_https("203.0.113.1", https)
    assert not TRUSTED.is_https("10.0.0.7", headers((proxies.PROTO, "http")))
    assert not TRUSTED.is_https("10.0.0.7", headers((proxies.PROTO, "https"), (proxies.PROTO, "http")))
