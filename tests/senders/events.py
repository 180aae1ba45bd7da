"""An event of each sender in its own shape, how hookbus receives it, and what it is stored as."""

import base64
import json
import time
from typing import Any, Final


def _secret(name: str) -> str:
    return "whsec_" + base64.b64encode(name.encode().ljust(24, b"_")).decode()


SOURCES: Final[dict[str, dict[str, Any]]] = {
    "openai": {},
    "gemini": {"scheme": "standard"},
    "claude": {"scheme": "standard", "type_at": "data.type"},
    "clerk": {"scheme": "standard", "headers": "svix"},
    "resend": {"scheme": "standard", "headers": "svix", "types": ["email.*"]},
}
SECRETS: Final = {name: _secret(name) for name in SOURCES}
BODIES: Final[dict[str, dict[str, Any]]] = {
    "openai": {
        "id": "evt_1",
        "object": "event",
        "created_at": 1750287018,
        "type": "batch.failed",
        "data": {"id": "batch_abc"},
    },
    # https://ai.google.dev/gemini-api/docs/webhooks
    "gemini": {
        "type": "batch.failed",
        "version": "v1",
        "timestamp": "2026-01-22T12:00:00Z",
        "data": {"id": "batch_123456", "error": {"code": 3}},
    },
    # https://platform.claude.com/docs/en/managed-agents/webhooks
    "claude": {
        "type": "event",
        "id": "wevt_01",
        "created_at": "2026-11-27T22:00:00Z",
        "data": {
            "type": "session.status_idled",
            "id": "sesn_1",
            "organization_id": "org_1",
            "workspace_id": "wrkspc_1",
        },
    },
    # https://clerk.com/docs/webhooks/overview
    "clerk": {
        "type": "user.created",
        "object": "event",
        "timestamp": 1654012591835,
        "data": {"id": "user_1"},
        "instance_id": "ins_1",
    },
    # https://resend.com/docs/dashboard/webhooks/event-types
    "resend": {
        "type": "email.sent",
        "created_at": "2023-02-22T23:41:12.126Z",
        "data": {"email_id": "x", "to": ["delivered@resend.dev"]},
    },
}
STORED: Final = {
    "openai": "batch.failed",
    "gemini": "gemini.batch.failed",
    "claude": "claude.session.status_idled",
    "clerk": "clerk.user.created",
    "resend": "resend.email.sent",
}
"""Source → the type in storage."""


def table() -> str:
    """The sources, as a variable of ingest holds them."""
    return json.dumps(
        {name: {"path": f"/webhooks/{name}", "secrets": [SECRETS[name]]} | more for name, more in SOURCES.items()}
    )


def deliveries(signer: str, suffix: str) -> list[dict[str, Any]]:
    """One unsigned delivery of each sender."""
    return [
        {
            "source": name,
            "signer": signer,
            "secret": SECRETS[name],
            "headers": SOURCES[name].get("headers", "webhook"),
            "id": f"msg_{name}_{suffix}",
            "at": int(time.time()),
            "body": json.dumps(body),
        }
        for name, body in BODIES.items()
    ]
