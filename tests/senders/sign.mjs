// Signs deliveries with the senders' own libraries for Node, as sign.py does with those for Python.

import { createRequire } from "node:module";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const require = createRequire(join(process.cwd(), "package.json"));
const SIGNERS = { standardwebhooks: require("standardwebhooks").Webhook, svix: require("svix").Webhook };
const OpenAI = require("openai").default;
const { Resend } = require("resend");

function headers(delivery) {
  const values = { id: delivery.id, timestamp: String(delivery.at), signature: delivery.signature };
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${delivery.headers}-${name}`, value]));
}

const SDKS = {
  openai: (delivery) =>
    new OpenAI({ apiKey: "unused", webhookSecret: delivery.secret }).webhooks.unwrap(delivery.body, headers(delivery)),
  resend: (delivery) =>
    new Resend("re_unused").webhooks.verify({
      payload: delivery.body,
      headers: { id: delivery.id, timestamp: String(delivery.at), signature: delivery.signature },
      webhookSecret: delivery.secret,
    }),
};

const deliveries = JSON.parse(await text(process.stdin));
for (const delivery of deliveries) {
  const signer = new SIGNERS[delivery.signer](delivery.secret);
  delivery.signature = signer.sign(delivery.id, new Date(delivery.at * 1000), delivery.body);
  new SIGNERS.svix(delivery.secret).verify(delivery.body, headers(delivery));
  const sdk = SDKS[delivery.source];
  if (sdk) await sdk(delivery);
  delivery.has_sdk = Boolean(sdk);
}
process.stdout.write(JSON.stringify(deliveries));
