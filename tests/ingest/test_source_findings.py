"""Sources that the settings accept, and that are probably not what was meant."""

import pytest

from hookbus.ingest import check
from hookbus.ingest.source_findings import findings
from hookbus.shared.finding import Finding
from hookbus.shared.secret import Secret
from hookbus.shared.sources import Source
from tests.ingest.serving import PATH, SECRET, settings
from tests.shared.test_public_key import KEY

BARE = SECRET.removeprefix("whsec_")


def source(*secrets: str, path: str = PATH, **options) -> Source:
    return Source(path=path, secrets=tuple(map(Secret, secrets)), **options)


def found(**sources: Source) -> list[Finding]:
    listed = findings(sources)
    assert all(finding.exit_code == 0 for finding in listed)
    assert BARE not in str(listed)
    return listed


def codes(**sources: Source) -> list[str]:
    return [finding.code for finding in found(**sources)]


async def test_check_lists_them(redis_url):
    sources = {"openai": source("0123456789abcdef")}
    report, _ = await check.examine(settings(redis_url, sources=sources))
    assert report.sources[0].key_bytes == [16]
    assert {"short_secret", "unprefixed_secret"} <= {finding.code for finding in report.findings}


def test_a_short_secret(tmp_path):
    (tmp_path / "short").write_text("whsec_MDEyMzQ1Njc4OWFiY2RlZg==")
    assert codes(openai=source(f"file:{tmp_path}/short")) == ["short_secret"]


def test_a_secret_without_its_prefix_says_how_it_is_read_unless_the_settings_do():
    [raw] = found(openai=source(SECRET, BARE[:-1] + "!"))
    assert raw.problem == (
        "source openai: ingest.sources.openai.secrets[1] does not begin with 'whsec_',"
        " so its characters themselves are the key"
    )
    [base64] = found(partner=source(BARE, scheme="standard"))
    assert base64.problem.endswith("does not begin with 'whsec_', so it is read as base64")
    assert base64.action == 'paste the whole secret, from \'whsec_\' on; or write its encoding, "base64" or "raw"'
    for encoding in ("raw", "base64"):
        for scheme in ("openai", "standard"):
            assert found(partner=source(BARE, scheme=scheme, encoding=encoding)) == []


@pytest.mark.parametrize(("pattern", "is_found"), [("e.order.*", True), ("order.*", False), ("extra.*", False)])
def test_types_that_begin_with_the_prefix_of_their_source(pattern, is_found):
    listed = found(e=source(SECRET, scheme="standard", types=("*", pattern)))
    assert [finding.code for finding in listed] == ["prefixed_types"] * is_found
    if is_found:
        assert listed[0].problem == "source e: 'e.order.*' in types admits what is stored as 'e.e.order.*'"
        assert "such as 'order.*'; nothing if its names do begin with 'e.'" in listed[0].action


def test_a_key_that_a_source_has_twice():
    [twice] = found(partner=source(SECRET, BARE, scheme="standard", encoding="base64"))
    assert (twice.code, twice.problem) == (
        "repeated_key",
        "ingest.sources.partner.secrets[1]: the same key as ingest.sources.partner.secrets[0]",
    )
    assert codes(partner=source(public_keys=(KEY, KEY.rstrip("=")), scheme="standard")) == ["repeated_key"]


def test_a_key_that_two_sources_of_openai_share():
    assert codes(org=source(SECRET), project=source(SECRET, path="/project")) == ["shared_key"]
