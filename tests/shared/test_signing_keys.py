"""Keys count as the same when they sign alike, whatever they look like in the settings."""

import base64
import hmac
from hashlib import sha256

import pytest

from hookbus.shared.secret import Secret
from hookbus.shared.signing_keys import as_hmac
from hookbus.shared.sources import Endpoints, Source
from tests.shared.test_public_key import KEY

BYTES = b"0123456789abcdef0123456789abcde"
BASE64 = base64.b64encode(BYTES).decode()
SECRET = "whsec_" + BASE64


def source(path: str, *secrets: str, **options) -> Source:
    given = tuple(Secret(secret) for secret in secrets)
    return Source(**{"path": path, "secrets": given, "scheme": "standard"} | options)


def problems(one: Source, other: Source) -> list[str]:
    return Endpoints(sources={"one": one, "other": other}).problems()


@pytest.mark.parametrize(
    ("secret", "options"),
    [
        (SECRET, {}),
        (SECRET.rstrip("="), {}),
        (BASE64, {}),
        (BASE64.rstrip("="), {}),
        (BYTES.decode(), {"encoding": "raw"}),
        (SECRET, {"scheme": "openai"}),
        (BYTES.decode(), {"scheme": "openai"}),
        ("whsec_" + base64.b64encode(BYTES + bytes(9)).decode(), {}),  # HMAC fills a key up with zeros
    ],
)
def test_one_key_in_two_sources_is_refused_in_each_of_its_forms(secret, options):
    [problem] = problems(source("/one", SECRET), source("/other", "whsec_" + "QUJD" * 8, secret, **options))
    assert problem == (
        "ingest.sources.other.secrets[1]: the same key as ingest.sources.one.secrets[0]:"
        " each could speak for the other; give each sender a key of its own"
    )
    assert secret not in problem


def test_a_key_that_hmac_hashes_first_is_its_hash():
    long = BYTES * 3
    assert hmac.new(long, b"x", sha256).digest() == hmac.new(sha256(long).digest(), b"x", sha256).digest()
    assert as_hmac(long) == as_hmac(sha256(long).digest())


def test_other_keys_are_no_problem():
    assert problems(source("/one", SECRET), source("/other", "whsec_" + "QUJD" * 8)) == []


def test_one_public_key_in_two_sources_is_refused():
    one, other = (source(path, public_keys=(key,)) for path, key in (("/one", KEY), ("/other", KEY.rstrip("="))))
    [problem] = problems(one, other)
    assert problem.startswith("ingest.sources.other.public_keys[0]: the same key as ingest.sources.one.public_keys[0]")


def test_keys_in_files_are_compared_too_and_named_by_their_place(tmp_path):
    (tmp_path / "new").write_text(SECRET)
    [problem] = problems(source("/one", f"file:{tmp_path}"), source("/other", SECRET))
    assert problem.startswith(
        f"ingest.sources.other.secrets[0]: the same key as ingest.sources.one.secrets: file:{tmp_path}/new"
    )


@pytest.mark.parametrize(
    ("one", "other", "is_allowed"),
    [
        ({}, {}, True),
        ({"prefix": "second."}, {"prefix": "second."}, True),
        ({}, {"prefix": "second."}, False),
        ({}, {"scheme": "standard"}, False),
        ({"scheme": "standard", "prefix": ""}, {"scheme": "standard"}, False),
    ],
)
def test_only_sources_of_openai_with_the_same_types_may_share_a_key(one, other, is_allowed):
    options = ({"scheme": "openai"} | one, {"scheme": "openai"} | other)
    found = problems(*(source(f"/{i}", SECRET, **each) for i, each in enumerate(options)))
    assert bool(found) != is_allowed


def test_a_key_that_one_source_has_twice_speaks_for_nobody_else():
    assert problems(source("/one", SECRET, BASE64), source("/other", "whsec_" + "QUJD" * 8)) == []
