"""The usual first implementation: FastAPI, uvicorn, standardwebhooks, redis-py; verify, SET NX, XADD.

receive_fastapi.py PORT SECRET, with HOOKBUS_REDIS_URL
"""

import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio as redis
import uvicorn
from fastapi import FastAPI, Request, Response
from standardwebhooks import Webhook, WebhookVerificationError

WINDOW_S = 96 * 3600

client = redis.from_url(os.environ["HOOKBUS_REDIS_URL"])
webhook = Webhook(sys.argv[2])


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Print that the app is ready, except for the port."""
    await client.ping()
    print(json.dumps({"event": "ready"}), flush=True)
    yield


app = FastAPI(lifespan=lifespan)


def answer(status: int, told: str) -> Response:
    """A JSON response without FastAPI's own encoder, which is slower."""
    return Response(told, status, media_type="application/json")


@app.post("/webhooks/openai")
async def receive(request: Request) -> Response:
    """Verify, dedupe, store."""
    body = await request.body()
    try:
        webhook.verify(body, request.headers)
    except WebhookVerificationError:
        return answer(401, '{"error": "signature_mismatch"}')
    webhook_id = request.headers["webhook-id"]
    if not await client.set(f"seen:{webhook_id}", 1, nx=True, ex=WINDOW_S):
        return answer(200, '{"status": "duplicate"}')
    fields = {"id": webhook_id, "src": "openai", "at": int(time.time() * 1000), "body": body}
    await client.xadd("stream:response.completed", fields)
    return answer(200, '{"status": "accepted"}')


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="warning")
