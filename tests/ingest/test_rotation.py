"""Secrets change while ingest serves: new ones count, and an invalid set changes nothing."""

import asyncio
import base64
import contextlib
from pathlib import Path

import msgspec
import prometheus_client
import pytest

from hookbus.ingest import rotation
from hookbus.shared import posting
from hookbus.shared.samples import event_body
from hookbus.shared.secret import Secret, key_bytes
from hookbus.shared.settings import ConfigError
from hookbus.shared.sources import Source
from tests.ingest.serving import KEY, PATH, SECRET, serving, settings, signed
from tests.wait import until

OTHER = "whsec_" + base64.b64encode(b"fedcba9876543210fedcba9876543210").decode()
OTHER_KEY = key_bytes(OTHER, "raw")
BODY = event_body("response.completed", {})


def source(*secrets: str, path: str = PATH) -> Source:
    return Source(path=path, secrets=tuple(Secret(secret) for secret in secrets))


def metric(name: str, **labels: str) -> float | None:
    return prometheus_client.REGISTRY.get_sample_value(name, labels)


def matches(secret: int) -> float:
    return metric("hookbus_ingest_secret_matches_total", source="openai", secret=str(secret)) or 0.0


async def status(ingest, key: bytes) -> int:
    return (await ingest.execute(posting.signed_request(key, BODY)))[0]


@pytest.fixture
def fast_polling(monkeypatch):
    """Secret files are polled every 50 ms."""
    monkeypatch.setattr(rotation, "INTERVAL_S", 0.05)


@contextlib.asynccontextmanager
async def serving_from(redis_url: str, secrets: Path, expected_errors: tuple[str, ...] = ()):
    """A receiver with secrets from a file or folder. At the end its log must hold exactly the expected errors."""
    async with serving(redis_url, sources={"openai": source(f"file:{secrets}")}) as ingest:
        yield ingest
        assert tuple(log["event"] for log in ingest.logs if log["log_level"] == "error") == expected_errors
        ingest.logs[:] = [log for log in ingest.logs if log["log_level"] != "error"]


async def test_a_new_file_in_the_folder_counts_and_a_removed_one_does_not(redis_url, tmp_path, fast_polling):
    (tmp_path / "2026-11").write_text(SECRET)
    async with serving_from(redis_url, tmp_path) as ingest:
        assert (await status(ingest, KEY), await status(ingest, OTHER_KEY)) == (200, 401)
        (tmp_path / ".new").write_text(OTHER)
        (tmp_path / ".new").rename(tmp_path / "2026-12")
        (changed,) = await until(lambda: ingest.logged("secrets_changed"))
        assert changed["secrets"] == [f"file:{tmp_path}/2026-11", f"file:{tmp_path}/2026-12"]
        assert (await status(ingest, KEY), await status(ingest, OTHER_KEY)) == (200, 200)
        assert metric("hookbus_ingest_secrets", source="openai") == 2
        (tmp_path / "2026-11").unlink()
        await until(lambda: len(ingest.logged("secrets_changed")) == 2)
        assert (await status(ingest, KEY), await status(ingest, OTHER_KEY)) == (401, 200)
        assert SECRET not in str(ingest.logs)


async def test_the_counter_shows_which_secret_matched(redis_url):
    async with serving(redis_url, sources={"openai": source(SECRET, OTHER)}) as ingest:
        before = matches(0), matches(1)
        for key in (KEY, OTHER_KEY, OTHER_KEY):
            assert await status(ingest, key) == 200
        assert (matches(0) - before[0], matches(1) - before[1]) == (1, 2)


async def test_a_folder_that_kubernetes_swaps_is_detected(redis_url, tmp_path, fast_polling):
    def mount(version: str, secret: str) -> None:
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "secret").write_text(secret)
        (tmp_path / "..data_tmp").symlink_to(f"..{version}")
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    mount("1", SECRET)
    (tmp_path / "secret").symlink_to("..data/secret")
    async with serving_from(redis_url, tmp_path) as ingest:
        assert await status(ingest, KEY) == 200
        mount("2", OTHER)
        await until(lambda: ingest.logged("secrets_changed"))
        assert (await status(ingest, KEY), await status(ingest, OTHER_KEY)) == (401, 200)


@pytest.mark.parametrize("bad", ["", "whsec_%%%%", "short", None])
async def test_an_invalid_new_set_keeps_the_old_one_and_is_logged_once(redis_url, tmp_path, fast_polling, bad):
    file = tmp_path / "secret"
    file.write_text(SECRET)
    async with serving_from(redis_url, file, ("secrets_refused",)) as ingest:
        file.unlink() if bad is None else file.write_text(bad)
        (refused,) = await until(lambda: ingest.logged("secrets_refused"))
        assert refused["source"] == "openai"
        assert refused["problems"][0].startswith("ingest.sources.openai.secrets[0]: ")
        await asyncio.sleep(0.2)  # some more polls
        assert await status(ingest, KEY) == 200
        assert metric("hookbus_ingest_secrets_stale", source="openai") == 1
        (tmp_path / "good").write_text(OTHER)
        (tmp_path / "good").rename(file)
        await until(lambda: ingest.logged("secrets_changed"))
        assert metric("hookbus_ingest_secrets_stale", source="openai") == 0
        assert await status(ingest, OTHER_KEY) == 200


async def test_invalid_secrets_of_one_source_do_not_delay_another(redis_url, tmp_path, fast_polling):
    for name in ("a", "b"):
        (tmp_path / name).write_text(SECRET)
    sources = {name: source(f"file:{tmp_path}/{name}", path=f"/{name}") for name in ("a", "b")}
    async with serving(redis_url, sources={"openai": source(SECRET), **sources}) as ingest:
        (tmp_path / "a").write_text("")
        (tmp_path / ".b").write_text(OTHER)
        (tmp_path / ".b").rename(tmp_path / "b")
        await until(lambda: ingest.logged("secrets_changed"))
        await until(lambda: ingest.logged("secrets_refused"))
        request = posting.signed_request(OTHER_KEY, BODY)
        assert (await ingest.execute(request, path="/b"))[0] == 200
        assert (await ingest.execute(signed(), path="/a"))[0] == 200
        (tmp_path / ".b").write_text(f"{OTHER} {SECRET}")
        (tmp_path / ".b").rename(tmp_path / "b")  # a look at a half-written file would be a refusal of its own
        await until(lambda: len(ingest.logged("secrets_changed")) == 2)
        assert len(ingest.logged("secrets_refused")) == 1
        ingest.logs[:] = [log for log in ingest.logs if log["event"] != "secrets_refused"]


async def test_a_new_secret_that_another_source_has_never_counts(redis_url, tmp_path, fast_polling):
    """The holder of that secret could speak for both."""
    file = tmp_path / "partner"
    file.write_text(SECRET)
    partner = msgspec.structs.replace(source(f"file:{file}", path="/partner"), scheme="standard")
    sources = {"openai": source("whsec_" + "QUJD" * 8), "partner": partner, "other": source(OTHER, path="/other")}
    async with serving(redis_url, sources=sources) as ingest:

        async def answers() -> list[int]:
            requests = [posting.signed_request(key, BODY) for key in (KEY, OTHER_KEY)]
            return [(await ingest.execute(request, path="/partner"))[0] for request in requests]

        file.write_text(OTHER.removeprefix("whsec_"))
        (refused,) = await until(lambda: ingest.logged("secrets_refused"))
        assert refused["source"] == "partner"
        (problem,) = refused["problems"]
        assert f"ingest.sources.partner.secrets: file:{file}" in problem
        assert "ingest.sources.other.secrets[0]" in problem
        assert await answers() == [200, 401]
        assert metric("hookbus_ingest_secrets_stale", source="partner") == 1
        await asyncio.sleep(0.2)  # some more polls
        ingest.logs[:] = [log for log in ingest.logs if log is not refused]
        assert ingest.logged("secrets_refused") == []


async def test_two_sources_may_exchange_their_secrets(redis_url, tmp_path):
    sources = {name: source(f"file:{tmp_path}/{name}", path=f"/{name}") for name in ("a", "b")}
    sources["b"] = msgspec.structs.replace(sources["b"], scheme="standard")
    for name, secret in (("a", SECRET), ("b", OTHER)):
        (tmp_path / name).write_text(secret)
    before = rotation._poll(settings(redis_url, sources=sources), {})
    (tmp_path / "a").write_text(OTHER)
    between = rotation._poll(before.settings, before.secrets)
    assert (between.secrets, list(between.refused)) == (before.secrets, ["a"])
    (tmp_path / "b").write_text(SECRET)
    after = rotation._poll(between.settings, between.secrets)
    assert ([secret.text for secret in after.secrets["a"]], after.refused) == ([OTHER], {})


async def test_taking_back_new_secrets_ends_where_no_two_sources_share_one(redis_url, tmp_path):
    """What `a` takes back is what `b` has got meanwhile."""
    names = ("a", "b", "c")
    first, second, third = (f"whsec_{letters * 8}" for letters in ("QUJD", "REVG", "R0hJ"))
    sources = {
        name: msgspec.structs.replace(source(f"file:{tmp_path}/{name}", path=f"/{name}"), scheme="standard")
        for name in names
    }
    for name, secret in zip(names, (first, second, third), strict=True):
        (tmp_path / name).write_text(secret)
    before = rotation._poll(settings(redis_url, sources=sources), {})
    for name, secret in (("a", third), ("b", first)):
        (tmp_path / name).write_text(secret)
    after = rotation._poll(before.settings, before.secrets)
    assert after.secrets == before.secrets
    assert sorted(after.refused) == ["a", "b"]


async def test_sighup_reloads_the_sources_and_names_settings_that_need_a_restart(redis_url):
    current = settings(redis_url, sources={"openai": source(SECRET)})
    async with serving(redis_url, reload_settings=lambda: current) as ingest:
        current = msgspec.structs.replace(current, sources={"org": source(OTHER, path="/org")}, batch_size=7)
        ingest.stopping.on_hangup()
        await until(lambda: ingest.logged("reloaded"))
        assert (await ingest.execute(signed()))[0] == 404
        assert (await ingest.execute(posting.signed_request(OTHER_KEY, BODY), path="/org"))[0] == 200
        (needed,) = ingest.logged("restart_needed")
        assert needed["keys"] == ["batch_size"]
        assert metric("hookbus_ingest_secrets", source="openai") is None


async def test_sighup_with_an_invalid_configuration_changes_nothing(redis_url):
    def reload_settings():
        raise ConfigError(["ingest.batch_size: no"])

    refused = metric("hookbus_ingest_reloads_total", outcome="refused") or 0
    async with serving(redis_url, reload_settings=reload_settings) as ingest:
        ingest.stopping.on_hangup()
        (line,) = await until(lambda: ingest.logged("reload_refused"))
        assert line["problems"] == ["ingest.batch_size: no"]
        assert metric("hookbus_ingest_reloads_total", outcome="refused") == refused + 1
        assert await status(ingest, KEY) == 200
        ingest.logs.remove(line)


async def test_invalid_secrets_at_the_start_are_a_configuration_error(redis_url, tmp_path):
    with pytest.raises(ConfigError, match=r"openai.secrets\[0\]: file:.*No such file"):
        async with serving(redis_url, sources={"openai": source(f"file:{tmp_path}/nothing")}):
            pass
