"""Runs inside the container: posts until a file appears, over new and over kept connections.

python load.py URL SECRET STOP-FILE; prints the number of each response as JSON.
"""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

import aiohttp

from hookbus.shared import posting
from hookbus.shared.secret import key_bytes

BODY = b'{"id":"evt_1","object":"event","created_at":1750287018,"type":"response.completed","data":{"id":"resp_1"}}'
CLIENTS = 4
PAUSE_S = 0.005
"""Between two posts of a client: some hundred a second altogether, which leaves a small machine time for the rest."""


async def _post(url: str, key: bytes, stop: Path, counts: "Counter[str]", *, is_kept: bool) -> None:
    while not stop.exists():
        async with aiohttp.ClientSession() as session:
            for _ in range(1000 if is_kept else 1):
                answer = await posting.post(session, url, posting.signed_request(key, BODY))
                counts[f"{answer.status} {answer.code} {answer.detail}".strip()] += 1
                await asyncio.sleep(PAUSE_S)
                if stop.exists():
                    return


async def main() -> None:
    url, secret, stop = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    counts: Counter[str] = Counter()
    clients = (_post(url, key_bytes(secret, "raw"), stop, counts, is_kept=i % 2 == 0) for i in range(CLIENTS))
    await asyncio.gather(*clients)
    print(json.dumps(counts))


asyncio.run(main())
