"""Where the commands that sign and post send, and how."""

import base64

import pytest

from hookbus.shared.destination import Destination, destination
from hookbus.shared.listen import Listen
from hookbus.shared.secret import Secret, key_bytes
from hookbus.shared.sources import Endpoints, Source

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER = "whsec_" + "QUJD" * 8
KEY = key_bytes(SECRET, "raw")


def test_the_destination_is_the_first_source_by_default():
    sources = {
        "a": Source(path="/a", secrets=(Secret(SECRET), Secret(OTHER))),
        "b": Source(path="/b", secrets=(Secret("QUJD" * 8),), scheme="standard"),
    }
    configured = Endpoints(sources=sources, listen=(Listen("0.0.0.0", 8080),))
    assert destination(configured) == Destination("http://127.0.0.1:8080/a", KEY)
    assert destination(configured, "b") == Destination("http://127.0.0.1:8080/b", b"ABC" * 8)
    assert destination(configured, "b", "https://x/y") == Destination("https://x/y", b"ABC" * 8)
    assert destination(None, url="http://x/", secret=SECRET) == Destination("http://x/", KEY)
    with pytest.raises(ValueError, match=r"no source 'A'; there are a, b; did you mean a\?"):
        destination(configured, "A")
    with pytest.raises(ValueError, match="http://"):
        destination(configured, "a", "ftp://x")
    with pytest.raises(ValueError, match=r"the URL 'http://:8080/': http://HOST"):
        destination(configured, "a", "http://:8080/")
    with pytest.raises(ValueError, match="--url"):
        destination(Endpoints(listen=(Listen("127.0.0.1", 0),), sources=sources))
    with pytest.raises(ValueError, match="base64") as caught:
        destination(configured, "a", secret="whsec_%%%hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_given_secret_may_be_a_reference(tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    assert destination(None, url="http://x/", secret=f"file:{tmp_path}/secret").key == KEY
    with pytest.raises(ValueError, match="No such file"):
        destination(None, url="http://x/", secret=f"file:{tmp_path}/missing")


def test_the_ipv6_wildcard_becomes_loopback_in_the_destination():
    configured = Endpoints(
        listen=(Listen("::", 8080),), sources={"openai": Source(path="/in", secrets=(Secret(SECRET),))}
    )
    assert destination(configured)[0] == "http://[::1]:8080/in"


def test_the_place_of_the_type_is_that_of_the_source():
    sources = {"claude": Source(path="/c", secrets=(Secret(SECRET),), scheme="standard", type_at="data.type")}
    assert destination(Endpoints(sources=sources)).type_at == "data.type"


def test_for_a_source_with_public_keys_only_nobody_else_can_sign():
    sources = {
        "asymmetric": Source(path="/a", public_keys=("whpk_x",), scheme="standard"),
        "openai": Source(path="/o", secrets=(Secret(SECRET),)),
    }
    assert destination(Endpoints(sources=sources)).url.endswith("/o")
    only = Endpoints(sources={"asymmetric": sources["asymmetric"]})
    for endpoints, name in ((Endpoints(sources=sources), "asymmetric"), (only, "")):
        with pytest.raises(ValueError, match="source asymmetric has public keys only: nobody but its sender can sign"):
            destination(endpoints, name, secret=SECRET)
