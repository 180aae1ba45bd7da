"""The digest by which ingest remembers an event, and by which a search asks for it."""

from hookbus.shared.dedupe import DIGEST_BYTES, digest_of


def test_a_digest_is_of_source_and_id_together():
    assert len({digest_of("openai", "wh_1"), digest_of("shop", "wh_1"), digest_of("openai", "wh_2")}) == 3
    assert digest_of("openai", "wh_1").hex() == "10b1b291ab983899bdad74625db2fca0"
    assert len(digest_of("", "")) == DIGEST_BYTES
