"""A publisher to a real ingest that has a source for it."""

import contextlib
from collections.abc import AsyncIterator, Mapping

from hookbus.client import Publisher
from hookbus.shared.listen import Listen
from hookbus.shared.secret import Secret
from hookbus.shared.sources import Source
from tests.ingest import serving as receivers
from tests.ingest.serving import serving

SECRET = "whsec_" + "c2hvcC1zaG9wLXNob3Atc2hvcA=="
SOURCES: Mapping[str, Source] = {
    "openai": Source(path=receivers.PATH, secrets=(Secret(receivers.SECRET),)),
    "shop": Source(path="/webhooks/shop", secrets=(Secret(SECRET),), scheme="standard"),
}
TYPE = "order.paid"
STORED = f"shop.{TYPE}"


@contextlib.asynccontextmanager
async def publishing(redis_url, *, secret=SECRET, port=0, sources=SOURCES, **options) -> AsyncIterator[Publisher]:
    """The publisher."""
    listen = (Listen("127.0.0.1", port),)
    async with (
        serving(redis_url, sources=sources, listen=listen) as ingest,
        Publisher(f"{ingest.base}/webhooks/shop", secret, **options) as publisher,
    ):
        yield publisher
