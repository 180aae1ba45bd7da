from importlib import metadata

import pytest

from tests.ingest.serving import SECRET, command


async def test_without_a_source_there_is_nothing_to_serve():
    code, out, err = await command("serve")
    assert (code, out) == (78, "")
    assert err == (
        "hookbus-ingest: ingest.sources: none; set OPENAI_WEBHOOK_SECRET, or configure [ingest.sources.NAME]\n"
    )


async def test_version_prints_the_release():
    code, out, err = await command("--version")
    assert (code, out, err) == (0, f"hookbus {metadata.version('hookbus')}\n", "")


async def test_every_problem_of_the_configuration_gets_a_line():
    code, _, err = await command("serve", HOOKBUS_SHARDS="0", HOOKBUS_INGEST_X="1", OPENAI_WEBHOOK_SECRET=SECRET)
    assert code == 78
    assert err.splitlines() == [
        "hookbus-ingest: HOOKBUS_INGEST_X: unknown variable",
        "hookbus-ingest: HOOKBUS_SHARDS: Expected `int` >= 1",
    ]


async def test_a_secret_is_never_quoted():
    code, _, err = await command("serve", OPENAI_WEBHOOK_SECRET="v1,whsec_hunter2")
    assert code == 78
    assert "paste only the part from" in err
    assert "hunter2" not in err


@pytest.mark.parametrize("arguments", [["nonsense"], ["serve", "--nonsense"], ["serve", "extra"]])
async def test_bad_usage_exits_with_2(arguments):
    code, out, err = await command(*arguments)
    assert (code, out) == (2, "")
    assert "Usage" in err


async def test_help_names_the_commands():
    code, out, _ = await command("--help")
    assert code == 0
    assert all(name in out for name in ("serve", "send", "check"))
