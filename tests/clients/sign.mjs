// Signs requests as HubSpot's Node client does: a JSON line {secret, method, url, body, timestamp} in, its v3 signature out.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

// The client lives in .dev/clients, which NODE_PATH names; only `require` looks there.
const { Signature } = createRequire(import.meta.url)('@hubspot/api-client')

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, method, url, body, timestamp } = JSON.parse(line)
  console.log(
    Signature.getSignature(method, 'v3', { clientSecret: secret, requestBody: body, url, timestamp: Number(timestamp) }),
  )
}
