"""Signs deliveries with the senders' own libraries, and asks the SDK of each sender whether it accepts them.

Runs in the environment of `libraries`: reads a JSON list on standard input, and writes it with `signature` and
`has_sdk` in each.
"""

import json
import sys
from datetime import UTC, datetime

import anthropic
import openai
import resend
import standardwebhooks
import svix.webhooks

SIGNERS = {"standardwebhooks": standardwebhooks.Webhook, "svix": svix.webhooks.Webhook}


def signature(signer, delivery):
    at = datetime.fromtimestamp(delivery["at"], UTC)
    return SIGNERS[signer](delivery["secret"]).sign(delivery["id"], at, delivery["body"])


def headers(delivery):
    values = {"id": delivery["id"], "timestamp": str(delivery["at"]), "signature": delivery["signature"]}
    return {f"{delivery['headers']}-{name}": value for name, value in values.items()}


def by_openai(delivery):
    return openai.OpenAI(api_key="unused", webhook_secret=delivery["secret"]).webhooks.unwrap(
        delivery["body"], headers(delivery)
    )


def by_anthropic(delivery):
    client = anthropic.Anthropic(api_key="unused", webhook_key=delivery["secret"])
    return client.beta.webhooks.unwrap(delivery["body"], headers=headers(delivery))


def by_resend(delivery):
    plain = {"id": delivery["id"], "timestamp": str(delivery["at"]), "signature": delivery["signature"]}
    return resend.Webhooks.verify({"payload": delivery["body"], "headers": plain, "webhook_secret": delivery["secret"]})


def by_svix(delivery):
    return svix.webhooks.Webhook(delivery["secret"]).verify(delivery["body"], headers(delivery))


SDKS = {"openai": by_openai, "claude": by_anthropic, "resend": by_resend}

deliveries = json.load(sys.stdin)
for delivery in deliveries:
    delivery["signature"] = signature(delivery["signer"], delivery)
    for accepts in (by_svix, SDKS.get(delivery["source"], by_svix)):
        accepts(delivery)
    delivery["has_sdk"] = delivery["source"] in SDKS
json.dump(deliveries, sys.stdout)
