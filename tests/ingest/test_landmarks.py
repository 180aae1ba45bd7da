"""Landmarks detect a Redis that comes back with older data. Times are the test's own, in Unix ms."""

import shutil
import signal

import pytest

from hookbus.ingest.landmarks import APART_MS, MAX, Gap, Landmarks
from hookbus.shared import clock, keys
from hookbus.shared.dedupe import DAY_MS, digest_of
from tests.programs import Ingest, event_body, post, post_until_accepted

SHARD = keys.Keys(0)


@pytest.fixture
def landmarks() -> Landmarks:
    return Landmarks(SHARD, 5)


async def store(client, landmarks: Landmarks, at_ms: int, name: str) -> None:
    await client.execute_command("SADD", SHARD.seen(at_ms // DAY_MS), digest_of("openai", name))
    landmarks.latest = at_ms, at_ms // DAY_MS, "openai", name


async def test_events_that_redis_still_has_are_no_loss(client, landmarks):
    execute = client.execute_command
    assert await landmarks.gap(execute) is None
    now_ms = clock.now_ms()
    for i in range(5):
        await store(client, landmarks, now_ms + i * APART_MS, f"wh_{i}")
        assert await landmarks.gap(execute) is None


async def test_lost_events_are_reported_once_with_their_times(client, landmarks):
    execute, now_ms = client.execute_command, clock.now_ms()
    for i in range(5):
        await store(client, landmarks, now_ms + i * APART_MS, f"wh_{i}")
        await landmarks.gap(execute)
    for i in (2, 3, 4):
        await execute("SREM", SHARD.seen((now_ms + i * APART_MS) // DAY_MS), digest_of("openai", f"wh_{i}"))
    await store(client, landmarks, now_ms + 9 * APART_MS, "wh_new")
    assert await landmarks.gap(execute) == Gap(now_ms + APART_MS, now_ms + 4 * APART_MS)
    assert await landmarks.gap(execute) is None


async def test_without_an_older_landmark_the_gap_has_no_start(client, landmarks):
    now_ms = clock.now_ms()
    landmarks.latest = now_ms, now_ms // DAY_MS, "openai", "wh_gone"
    assert await landmarks.gap(client.execute_command) == Gap(0, now_ms)


async def test_events_older_than_the_window_are_no_loss(client, landmarks):
    old_ms = clock.now_ms() - 4 * DAY_MS
    landmarks.latest = old_ms, old_ms // DAY_MS, "openai", "wh_old"
    assert await landmarks.gap(client.execute_command) is None


async def test_the_number_of_landmarks_is_bounded(client, landmarks):
    now_ms = clock.now_ms()
    for i in range(3 * MAX):
        await store(client, landmarks, now_ms + i * (APART_MS if i % 2 else APART_MS // 4), f"wh_{i}")
        await landmarks.gap(client.execute_command)
        assert len(landmarks._kept) <= MAX


async def test_g9_a_redis_restored_from_an_older_copy_is_reported_once_with_its_gap(own_server, tmp_path):
    def restart(number: int) -> None:
        own_server.stop(number)
        if number == signal.SIGKILL:
            shutil.rmtree(own_server.data)
            shutil.copytree(tmp_path / "backup", own_server.data)
        else:
            shutil.copytree(own_server.data, tmp_path / "backup")
        own_server.start()

    with Ingest(own_server.url) as ingest:
        await ingest.until_healthy()
        assert await post(ingest.url, "wh_1", event_body()) == (200, "accepted")
        restart(signal.SIGTERM)
        await post_until_accepted(ingest.url, "wh_2", event_body())
        restart(signal.SIGKILL)
        await post_until_accepted(ingest.url, "wh_3", event_body())
        loss = await ingest.until_logged("data_loss", lost="events")
        assert len(loss["between"]) == 2
        await post_until_accepted(ingest.url, "wh_4", event_body())
        assert [line["lost"] for line in ingest.logged("data_loss")] == ["events"]
