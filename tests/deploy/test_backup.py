"""Backup and restore as in `deploy/README.md`: the append-only folder, copied while events are stored."""

import asyncio
import re
import shutil

from tests import pages, users
from tests.deploy.test_redis_restart import STREAM, fsyncing, handled, store, stored
from tests.programs import ROOT, Worker, event_body, post_until_accepted
from tests.wait import until

HELD = ("auto-aof-rewrite-percentage", "0")


def test_the_page_suspends_rewrites_before_the_copy_and_resumes_them_afterwards():
    steps = pages.section(ROOT / "deploy/README.md", "Backup")
    percentage = re.search(r"^auto-aof-rewrite-percentage (\d+)$", users.CONFIG.read_text(), re.MULTILINE)
    assert percentage
    order = [" ".join(("CONFIG SET", *HELD)), "aof_rewrite_in_progress", "cp -a", f"percentage {percentage[1]}"]
    assert [steps.index(step) for step in order] == sorted(steps.index(step) for step in order)


async def test_a_copy_taken_while_events_arrive_restores_every_event_accepted_before_it(tmp_path):
    source = users.as_shipped(tmp_path / "data").start()
    try:
        with fsyncing(source) as ingest:
            await ingest.until_healthy()
            done = await store(ingest, 0)
            with Worker(source.url, "quiet") as worker:
                await handled(worker, done)
            waiting = await store(ingest, 20)
            with source.client() as admin:
                admin.config_set(*HELD)
                assert admin.info("persistence")["aof_rewrite_in_progress"] == 0
            more = asyncio.create_task(store(ingest, 40))
            await until(lambda: stored(source) > 40)
            shutil.copytree(tmp_path / "data/appendonlydir", tmp_path / "backup/appendonlydir")
            await more
    finally:
        source.close()
    restored = users.as_shipped(tmp_path / "backup").start()
    try:
        with restored.client() as admin:
            found = {fields[b"id"].decode() for _, fields in admin.xrange(STREAM)}
        assert {*done, *waiting} <= found
        with fsyncing(restored) as ingest:
            await ingest.until_healthy()
            assert await post_until_accepted(ingest.url, waiting[0], event_body()) == "duplicate"
        with Worker(restored.url, "quiet") as worker:
            await handled(worker, sorted(found - {*done}))
    finally:
        restored.close()
