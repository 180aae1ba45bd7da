from hookbus.shared.keys import HOME
from hookbus.shared.rejection import MAX_KEPT, encode, page
from hookbus.worker.console.pages import rejected
from tests.ingest.test_rejections import a_rejection
from tests.worker.console.serving import read, serving


async def store(client, *rejections):
    for each in rejections:
        await client.execute_command("XADD", HOME.rejections, "*", "rejection", encode(each))


def test_requests_that_were_refused_alike_are_one_row_with_those_left_out_and_the_newest_of_them():
    newest, older = a_rejection(at_ms=2_000), a_rejection(at_ms=1_000, left_out=7)
    other = a_rejection(peer="192.0.2.9")
    assert rejected.alike([newest, other, older]) == [(9, newest), (1, other)]


async def test_refused_requests_are_shown_as_text_newest_first_by_pages(client, redis_url):
    await store(client, a_rejection(code="oldest_of_all"))
    hostile = a_rejection(path="/<script>alert(1)</script>", headers=("x-\u202e", "<b>"), skew_s=-3700)
    await store(client, *[a_rejection()] * (rejected.ROWS - 1), hostile)
    async with serving(redis_url) as session:
        status, text = await read(session, "/rejected")
        assert (status, "oldest_of_all" in text) == (200, False)
        assert "&lt;script&gt;alert(1)" in text
        assert 'x-<span class="ctl">U+202E</span>, &lt;b&gt;' in text
        assert "1 h 1 m behind" in text
        (address,) = {part.partition('"')[0] for part in text.split('rel="next" href="')[1:]}
        _, text = await read(session, address)
        assert "oldest_of_all" in text
        status, _ = await read(session, "/rejected?before=x")
        assert status == 400


async def test_what_is_no_record_is_counted(client, redis_url):
    await store(client, a_rejection())
    await client.execute_command("XADD", HOME.rejections, "*", "rejection", b"\xff")
    found = await page(client, MAX_KEPT)
    assert (len(found.rejections), found.unreadable, found.older) == (1, 1, "")
    async with serving(redis_url) as session:
        _, text = await read(session, "/rejected")
        assert "1 that this release can’t read" in text
