import asyncio
import json
import signal
import sys
from collections import Counter

import pytest

from hookbus.events import BY_TYPE
from hookbus.ingest import send
from hookbus.ingest.cli import send as send_command
from hookbus.ingest.signature import SignatureError, Verifier
from hookbus.shared import clock, posting
from hookbus.shared.destination import Destination
from hookbus.shared.samples import event_body
from tests.ingest.serving import KEY, PATH, SECRET, command, serving
from tests.wait import TIMER_EARLY_S

OTHER = "whsec_" + "QUJD" * 8


def plan(url="http://127.0.0.1:1/", **options) -> send.Plan:
    return send.Plan(Destination(url, KEY), lambda _: event_body("response.completed"), **options)


async def send_plan(a_plan: send.Plan) -> tuple[send.Tally, list[posting.Answer]]:
    tally, answers = send.Tally(), []
    await send.send(a_plan, tally, lambda number, answer, expected: answers.append(answer))
    return tally, answers


def test_nested_fields_of_data_can_be_set():
    fields = send_command.fields_of(["id=resp_9", "n=1.5", "list=[1]", "a.b.c=true", "text=x=y", "empty="])
    data = json.loads(event_body("response.completed", fields))["data"]
    assert data == {
        "id": "resp_9", "n": 1.5, "list": [1], "a": {"b": {"c": True}}, "text": "x=y", "empty": "",
    }  # fmt: skip
    assert json.loads(event_body("response.completed"))["data"] == {"id": "resp_abc123"}  # the sample is unchanged


@pytest.mark.parametrize("pair", ["novalue", "=1", "a..b=1", ".a=1"])
def test_a_field_that_is_no_pair_is_refused(pair):
    with pytest.raises(ValueError, match="key=value"):
        send_command.fields_of([pair])


def test_a_signed_request_verifies_and_a_stale_or_forged_one_does_not():
    verifier = Verifier([SECRET])
    now = clock.now_s()
    good = posting.signed_request(KEY, b"x")
    assert verifier.verify(good.headers, good.body, now) == 0
    assert good.headers["webhook-id"] == good.webhook_id
    assert good.webhook_id.startswith("wh_")
    for code, options in {
        "timestamp_stale": {"age_s": send.STALE_S},
        "signature_mismatch": {"is_forged": True},
    }.items():
        bad = posting.signed_request(KEY, b"x", **options)
        with pytest.raises(SignatureError, match=code):
            verifier.verify(bad.headers, bad.body, now)


def test_patterns_match_known_types_only():
    assert send_command.types_of("response.*") == [
        "response.cancelled", "response.completed", "response.failed", "response.incomplete",
    ]  # fmt: skip
    assert len(send_command.types_of("*")) == len(BY_TYPE)
    assert send_command.types_of("new.thing") == ["new.thing"]
    with pytest.raises(ValueError, match="no known type matches"):
        send_command.types_of("nothing.*")
    with pytest.raises(ValueError, match=r"did you mean response\.\*\?"):
        send_command.types_of("responses.*")


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ({"events": 30}, {(200, "accepted"): 30}),
        ({"events": 30, "is_duplicated": True}, {(200, "accepted"): 30, (200, "duplicate"): 30}),
        ({"is_stale": True}, {(400, "timestamp_stale"): 1}),
        ({"is_forged": True}, {(401, "signature_mismatch"): 1}),
        ({"is_forged": True, "is_stale": True, "is_duplicated": True}, {(400, "timestamp_stale"): 2}),
    ],
)
async def test_each_kind_of_request_gets_the_answer_that_it_expects(ingest, options, counts):
    tally, answers = await send_plan(plan(ingest.url, **options))
    assert tally.counts == Counter(counts)
    assert tally.unexpected == 0
    assert len(answers) == sum(counts.values())
    assert 0 < tally.percentile_ms(0.5) <= tally.percentile_ms(0.99) <= tally.percentile_ms(1)


async def test_an_answer_that_is_not_the_expected_one_is_counted(ingest):
    tally, _ = await send_plan(plan(ingest.base + "/elsewhere", events=3))
    assert tally.unexpected == 3
    assert tally.counts == {(404, "unknown_endpoint"): 3}


async def test_the_rate_is_kept(ingest):
    loop = asyncio.get_running_loop()
    began = loop.time()
    await send_plan(plan(ingest.url, events=11, rate=50))
    assert 0.2 - TIMER_EARLY_S <= loop.time() - began < 2


async def test_without_a_receiver_it_stops_at_once():
    tally, answers = await send_plan(plan(events=100_000))
    assert tally.is_hopeless
    assert tally.failure == "Connection refused"
    assert answers == []
    assert tally.counts.total() <= 8


async def test_posts_that_arrive_without_an_answer_are_counted_and_do_not_end_it():
    requests = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        tally, answers = await send_plan(plan(url, events=20))
    assert (len(requests), len(answers)) == (20, 20)
    assert tally.counts == {(0, "no_answer"): 20}
    assert not tally.is_hopeless


async def test_a_receiver_that_stops_is_counted_as_no_connection(redis_url):
    async with serving(redis_url) as ingest:
        tally, _ = await send_plan(plan(ingest.url))
    assert not tally.is_hopeless
    await send.send(plan(ingest.url, events=3), tally, lambda number, answer, expected: None)
    assert tally.counts == {(200, "accepted"): 1, (0, "no_connection"): 3}
    assert tally.unexpected == 3
    assert not tally.is_hopeless


async def test_the_command_prints_a_line_a_post_and_a_summary(ingest):
    code, out, _ = await command(
        "send", "response.completed", "--duplicate", "--url", ingest.url, "--secret", SECRET, "--data", "id=resp_1"
    )
    assert code == 0
    first, second, total, *_ = out.splitlines()
    assert first.startswith("200 accepted")
    assert second.startswith("200 duplicate")
    assert first.split()[4] == second.split()[4]  # the webhook-id
    assert total.startswith("2 posts in ")
    assert "p99" in out


async def test_the_command_uses_the_configured_source_and_sends_exact_bytes(ingest, client, tmp_path):
    config = tmp_path / "hookbus.toml"
    config.write_text(
        f'[ingest]\nlisten = "127.0.0.1:{ingest.port}"\n'
        f'[ingest.sources.openai]\npath = "{PATH}"\nsecrets = ["{SECRET}"]\n'
    )
    body = b'{ "type":"x.y" }\r\n'
    code, out, _ = await command("send", "--config", str(config), "--body", "-", stdin=body)
    assert (code, out[:12]) == (0, "200 accepted")
    ((_, fields),) = await client.execute_command("XRANGE", "hookbus:{0}:stream:x.y", "-", "+")
    assert fields[fields.index(b"body") + 1] == body


async def test_an_unexpected_answer_makes_the_command_fail_and_shows_the_expected_one(ingest):
    code, out, _ = await command("send", "new.thing", "--url", ingest.url, "--secret", OTHER)
    assert code == 1
    assert "401 signature_mismatch" in out
    assert "<- expected 200" in out


async def test_a_refused_connection_is_one_line(unused_port):
    url = f"http://127.0.0.1:{unused_port}/"
    code, out, err = await command("send", "response.failed", "--url", url, "--secret", SECRET)
    assert (code, out, err) == (1, "", f"hookbus-ingest: {url}: Connection refused\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["x", "--count", "0"],
        ["x", "--rate", "-1"],
        ["x", "--data", "novalue"],
        ["x", "--data", "a=1", "--body", "-"],
        ["nothing.*"],
        ["x", "--source", "nobody"],
        ["x", "--url", "nonsense"],
    ],
)
async def test_bad_usage_exits_with_2(arguments):
    code, out, err = await command("send", *arguments, OPENAI_WEBHOOK_SECRET=SECRET)
    assert (code, out) == (2, "")
    assert "Usage" in err


async def test_the_command_names_a_missing_setting_or_file(tmp_path):
    code, _, err = await command("send", "x")
    assert code == 78
    assert "OPENAI_WEBHOOK_SECRET" in err
    missing = tmp_path / "none"
    code, _, err = await command("send", "--body", str(missing), OPENAI_WEBHOOK_SECRET=SECRET)
    assert (code, err) == (
        1,
        f"hookbus-ingest: {missing}: No such file or directory; --body takes a file, and - standard input\n",
    )


async def test_list_prints_the_known_types():
    code, out, _ = await command("send", "--list")
    assert (code, out.split()) == (0, sorted(BY_TYPE))


async def test_ctrl_c_prints_the_summary_so_far(ingest, client):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hookbus.ingest",
        "send",
        "response.completed",
        "--url",
        ingest.url,
        "--secret",
        SECRET,
        "--rate",
        "20",
        "--count",
        "20",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await process.stdout.readline()  # the first answer
    finally:
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert process.returncode == 130
    assert b" posts in " in out
    assert b"Traceback" not in err
