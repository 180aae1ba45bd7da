"""Asymmetric signatures: cheap refusals first, and one expensive check at most with each key."""

import base64

import pytest
from multidict import CIMultiDict

from hookbus.ingest.signature import Verifier
from hookbus.shared.public_key import MAX_KEYS
from tests.ingest.test_signature import BODY, NOW, SECRETS, code_of, headers


class Asked:
    """A public key that counts its checks."""

    def __init__(self, *accepted: bytes) -> None:
        self.accepted = accepted
        self.checks: list[bytes] = []

    def has_signed(self, signature: bytes, message: bytes) -> bool:
        self.checks.append(signature)
        return signature in self.accepted


def v1a(byte: int, size: int = 64) -> str:
    return "v1a," + base64.b64encode(bytes([byte]) * size).decode()


@pytest.mark.parametrize(("keys", "candidates"), [(1, 2), (2, 2), (3, 1), (4, 1)])
def test_a_forged_request_costs_no_more_checks_than_there_may_be_keys(keys, candidates):
    asked = [Asked(bytes([9]) * 64) for _ in range(keys)]
    verifier = Verifier(SECRETS[:1], public_keys=asked)
    crowd = " ".join(v1a(byte) for byte in (1, 2, 3, 9))
    assert code_of(headers(webhook_signature=crowd), verifier=verifier) == "signature_mismatch"
    assert all(key.checks == [bytes([byte]) * 64 for byte in range(1, candidates + 1)] for key in asked)
    assert sum(len(key.checks) for key in asked) <= MAX_KEYS


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_sender_in_rotation_that_signs_with_both_keys_is_accepted_before_we_have_the_new_one(order):
    verifier = Verifier([], public_keys=[Asked(bytes([1]) * 64)])
    both = " ".join(map(v1a, order))
    assert verifier.verify(headers(webhook_signature=both), BODY, NOW) == 0


def test_public_keys_count_on_after_the_secrets_and_cost_nothing_before_them():
    key = Asked(bytes([1]) * 64)
    verifier = Verifier(SECRETS[:2], public_keys=[Asked(), key])
    signed = headers(SECRETS[1])
    both = f"{v1a(1)} {signed['webhook-signature']}"
    assert verifier.verify(signed | {"webhook-signature": both}, BODY, NOW) == 1
    assert not key.checks
    assert verifier.verify(headers(webhook_signature=v1a(1)), BODY, NOW) == 3


def test_nothing_is_checked_of_a_stale_request():
    key = Asked(bytes([1]) * 64)
    verifier = Verifier([], public_keys=[key])
    assert code_of(headers(at=NOW - 301, webhook_signature=v1a(1)), verifier=verifier) == "timestamp_stale"
    assert not key.checks


@pytest.mark.parametrize(
    "text", ["", "v1a,", "v1a,%%%", v1a(1, 63), v1a(1, 65), v1a(1).replace("v1a", "v1"), v1a(1).replace("v1a", "v2")]
)
def test_nothing_is_checked_without_a_candidate(text):
    key = Asked(bytes([1]) * 64)
    verifier = Verifier([], public_keys=[key])
    assert code_of(headers(webhook_signature=text), verifier=verifier) == "signature_mismatch"
    assert not key.checks


@pytest.mark.parametrize("form", ["{}", "v1,AAAA {}", "v1,AAAA,{}", "v1a,AAAA {}", "{},v1,AAAA"])
def test_a_signature_is_found_among_others(form):
    verifier = Verifier([], public_keys=[Asked(bytes([1]) * 64)])
    assert verifier.verify(headers(webhook_signature=form.format(v1a(1))), BODY, NOW) == 0
    lines = CIMultiDict([*headers().items(), ("webhook-signature", form.format(v1a(1)))])
    assert verifier.verify(lines, BODY, NOW) == 0


def test_without_public_keys_an_asymmetric_signature_is_a_mismatch():
    assert code_of(headers(webhook_signature=v1a(1)), verifier=Verifier(SECRETS)) == "signature_mismatch"
