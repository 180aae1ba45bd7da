"""Ids whose time is known, from the documents of those who make them."""

import uuid

import pytest

from hookbus.worker.find.id_time import made_ms

NOW_MS = 1_790_000_000_000


@pytest.mark.parametrize(
    ("name", "made_s"),
    [
        ("wh_685342e6c53c8190a1be43f081506c52", 1_750_287_078),  # with this webhook-timestamp in OpenAI's guide
        ("resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b", 1_741_476_542),  # with this created_at
        ("evt_685343a1381c819085d44c354e1b330e", 1_750_287_265),
        ("msg_1srOrx2ZWZBpBUvZwXKQmoEYga2", 1_621_627_443),  # of svix-ksuid
        ("1srOrx2ZWZBpBUvZwXKQmoEYga2", 1_621_627_443),
        ("017F22E2-79B0-7CC3-98C4-DC0C0C07398F", 1_645_557_742),  # RFC 9562, A.6
        ("evt_01FWHE4YDGFK1SHH6W1G60EECF", 1_645_557_742),  # the same time as a ULID
    ],
)
def test_the_time_in_an_id(name, made_s):
    assert made_ms(name, NOW_MS) // 1000 == made_s


@pytest.mark.parametrize(
    "name",
    [
        "",
        "wh_1",
        "resp_abc123",
        "wh_ffffffffffffffffffffffffffffffff",  # random digits: the year 2106
        "wh_00000000000000000000000000000001",
        "live_u0_479a275623b54bdb9b6fbae2f7cbd408",  # the year 2008
        str(uuid.UUID(int=0x0190163D_8694_4000_8000_000000000000)),  # version 4
        "zzzzzzzzzzzzzzzzzzzzzzzzzzz",
        "évt_685343a1381c819085d44c354e1b330e",
    ],
)
def test_an_id_without_a_time_that_an_event_can_have(name):
    assert made_ms(name, NOW_MS) is None


def test_a_clock_that_is_an_hour_ahead_is_believed_and_one_that_is_a_week_ahead_is_not():
    assert made_ms(f"wh_{NOW_MS // 1000 + 3600:08x}{'0' * 24}", NOW_MS) == NOW_MS + 3_600_000
    assert made_ms(f"wh_{NOW_MS // 1000 + 604_800:08x}{'0' * 24}", NOW_MS) is None
