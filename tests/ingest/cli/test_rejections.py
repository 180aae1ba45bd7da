import json
import subprocess
import sys
import time

from hookbus.ingest.cli.rejections import lines
from hookbus.shared.clock import now_ms
from hookbus.shared.keys import Keys
from hookbus.shared.rejection import encode
from tests.ingest.serving import SECRET, command
from tests.ingest.test_rejections import a_rejection
from tests.programs import ROOT, Program
from tests.wait import PATIENCE_S, until
from tests.worker.commands import environment

KEY = Keys(0).rejections


async def write(client, *rejections, at_ms: int | str = "*") -> None:
    for i, rejection in enumerate(rejections):
        entry_id = at_ms if at_ms == "*" else f"{at_ms}-{i + 1}"
        await client.execute_command("XADD", KEY, entry_id, "rejection", encode(rejection))


async def run(redis_url, *arguments: str) -> tuple[int, str, str]:
    return await command("rejections", *arguments, HOOKBUS_REDIS_URL=redis_url)


def test_text_output_has_a_line_of_facts_and_a_line_of_headers():
    first, second = lines(a_rejection(left_out=12, path="/webhooks/openai"))
    assert first == (
        "2023-11-14 22:13:20.000Z · 401 signature_mismatch · openai · from 192.0.2.1 · to /webhooks/openai"
        " · 90 bytes after a head of 300"
        " · timestamp -2 s · 12 more like it before · no signature was made with a secret of this source"
    )
    assert second == "    headers: host, webhook-id"


def test_unknown_facts_are_shown_as_unknown():
    first, _ = lines(a_rejection(source="", peer="", skew_s=None, body_bytes=None, reason=""))
    assert first.endswith("no source · from unknown · no length after a head of 300")


async def test_json_is_one_object_per_line_and_filters_apply(client, redis_url):
    long_ago_ms = int((time.time() - 7200) * 1000)
    await write(client, a_rejection(skew_s=1), a_rejection(code="body_timeout", skew_s=2), at_ms=long_ago_ms)
    await write(client, a_rejection(skew_s=3), a_rejection(skew_s=4))

    async def printed(*arguments: str) -> list[int]:
        code, out, err = await run(redis_url, "--json", *arguments)
        assert (code, err) == (0, "")
        return [json.loads(line)["skew_s"] for line in out.splitlines()]

    assert await printed() == [1, 2, 3, 4]
    assert await printed("--code", "signature_mismatch") == [1, 3, 4]
    assert await printed("--code", "body_timeout", "--code", "overloaded") == [2]
    assert await printed("--since", "1h") == [3, 4]
    assert await printed("--limit", "1") == [4]


async def test_control_characters_of_a_request_do_not_reach_the_terminal(client, redis_url):
    await write(client, a_rejection(headers=("x-\x1b[31m", "y"), reason="a\x1b]0;"))
    code, out, _ = await run(redis_url)
    assert code == 0
    assert "\x1b" not in out
    assert "x-\\x1b[31m, y" in out


async def test_an_empty_list_is_reported_in_text_output_only(redis_url):
    assert await run(redis_url) == (0, "no rejections\n", "")
    assert await run(redis_url, "--since", "1h") == (0, "no matching rejections\n", "")
    assert await run(redis_url, "--json") == (0, "", "")


async def test_an_unknown_code_or_time_is_a_usage_error(redis_url):
    for arguments in (("--code", "accepted"), ("--since", "yesterday")):
        code, out, err = await run(redis_url, *arguments)
        assert (code, out) == (2, "")
        assert arguments[1] in err


async def test_an_unreachable_redis_is_a_failure_in_one_line(unused_port):
    code, _, err = await run(f"redis://127.0.0.1:{unused_port}/0")
    assert code == 1
    assert err.startswith("hookbus-ingest: Redis: ")


async def test_follow_prints_new_rejections_until_ctrl_c(client, redis_url):
    await write(client, a_rejection(skew_s=1), a_rejection(skew_s=2))
    arguments = ("--follow", "--json", "--limit", "1", "--code", "signature_mismatch")
    with Program("hookbus-ingest", "rejections", *arguments, redis_url=redis_url) as program:
        await until(lambda: len(program.lines) == 1)
        await write(client, a_rejection(code="overloaded", skew_s=3), a_rejection(skew_s=4))
        await until(lambda: len(program.lines) == 2)
        assert await program.end(2) == 0
        assert [line["skew_s"] for line in program.lines] == [2, 4]


async def test_since_is_by_the_clock_of_redis(client, redis_url):
    now = now_ms()
    for minutes in (30, 5):
        await write(client, a_rejection(reason=f"{minutes} minutes ago"), at_ms=now - minutes * 60_000)
    script = "import time; right = time.time_ns; time.time_ns = lambda: right() - 45 * 60 * 10**9\n"
    script += "from hookbus.ingest.__main__ import main; main()"
    words = [sys.executable, "-c", script, "rejections", "--since", "15m"]
    env = environment(redis_url) | {"HOOKBUS_REDIS_URL": redis_url, "OPENAI_WEBHOOK_SECRET": SECRET}
    found = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert "5 minutes ago" in found.stdout
    assert "30 minutes ago" not in found.stdout
