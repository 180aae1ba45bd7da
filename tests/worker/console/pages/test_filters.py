"""Whatever the filter: the number on the button is what goes, and nothing else does."""

import html
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookbus.worker.console import chosen
from hookbus.worker.pipeline.dead_letter import DeadLetterRecord
from tests.worker.builders import GROUP, KEYS
from tests.worker.console.pages.test_plan import ended, form_of, post
from tests.worker.console.serving import serving
from tests.worker.dead_letters import DEAD_MS, create_groups, letter, store_letters

GROUPS = (GROUP, "audit")
TYPES = ("response.completed", "response.failed", "batch.failed")
REASONS = ("attempts_exhausted", "rejected")
LETTERS = [
    letter(
        f"wh_{i}", group=GROUPS[i % 2], type=TYPES[i % 3], reason=REASONS[i // 3 % 2], dead_lettered_at_ms=DEAD_MS + i
    )
    for i in range(24)
]
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "group": st.sampled_from(GROUPS),
        "type": st.sampled_from((*TYPES, "response.*", "*")),
        "reason": st.sampled_from(REASONS),
        "fingerprint": st.sampled_from(LETTERS).map(lambda each: each.fingerprint),
        "id": st.sampled_from(LETTERS).map(lambda each: each.webhook_id),
        "since": st.integers(0, 12).map(lambda after: f"2023-11-14T22:13:20.{after:03}Z"),
        "until": st.integers(12, 24).map(lambda after: f"2023-11-14T22:13:20.{after:03}Z"),
    },
)


def matches(each: DeadLetterRecord, asked: dict[str, str]) -> bool:
    """By the letter of what the fields of the filter say."""
    died = f"2023-11-14T22:13:20.{each.dead_lettered_at_ms - DEAD_MS:03}Z"
    return (
        asked.get("group", each.group) == each.group
        and each.type.startswith(asked.get("type", "*").rstrip("*"))
        and (asked.get("type", "*").endswith("*") or asked["type"] == each.type)
        and asked.get("reason", each.reason) == each.reason
        and asked.get("fingerprint", each.fingerprint) == each.fingerprint
        and asked.get("id", each.webhook_id) == each.webhook_id
        and asked.get("since", "") <= died <= asked.get("until", "9")
    )


async def left(client) -> set[str]:
    found = [await client.execute_command("ZRANGE", KEYS.dead(group), 0, -1) for group in GROUPS]
    return {name.decode() for names in found for name in names}


@pytest.fixture
async def session(client, redis_url):
    await create_groups(client, *GROUPS)
    async with serving(redis_url, console_role="operator") as session:
        yield session


@given(asked=FILTERS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_discard_takes_what_its_filter_says_and_as_many_as_its_button(client, session, asked):
    await store_letters_anew(client)
    expected = {each.webhook_id for each in LETTERS if matches(each, asked)}
    status, page = await post(session, "/plan", verb="discard", **asked)
    if "id" in asked and not expected:
        assert status in (200, 409)
        return
    assert status == 200
    assert chosen.fields(form_of(page)).keys() <= asked.keys()
    button = re.findall(r">Discard (\d+)</button>", html.unescape(page))
    assert button == ([str(len(expected))] if expected else [])
    status, place = await post(session, "/run", **form_of(page))
    assert status == (303 if expected else 409)
    if expected:
        assert (await ended(client, place)).moved == len(expected)
    assert await left(client) == {each.webhook_id for each in LETTERS} - expected


async def store_letters_anew(client) -> None:
    there = await left(client)
    await store_letters(client, *(each for each in LETTERS if each.webhook_id not in there))


@pytest.mark.parametrize(
    ("query", "problem"), [("group=nix", "no group nix"), ("type=respones.failed", "respones.failed")]
)
async def test_what_can_match_nothing_is_refused_by_the_list_and_by_the_download(session, query, problem):
    for path in ("/dead", "/export"):
        async with session.get(f"{path}?{query}", headers={"Sec-Fetch-Site": "none"}) as response:
            assert response.status in (404, 409)
            assert problem in html.unescape(await response.text())
