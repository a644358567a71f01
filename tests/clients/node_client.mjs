// HubSpot's Node client against the sandbox: OAuth, schema, upsert, batch read, associations, signature.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

// The client lives in .dev/clients, which NODE_PATH names; only `require` looks there.
const { Client, Signature } = createRequire(import.meta.url)('@hubspot/api-client')

const env = process.env
const basePath = env.SANDBOX_URL

// OAuth: exchange, then refresh.
const anonymous = new Client({ basePath })
const token = (type, code, refresh) =>
  anonymous.oauth.tokensApi.create(type, code, env.REDIRECT_URI, env.CLIENT_ID, env.CLIENT_SECRET, refresh)
const first = await token('authorization_code', env.CODE)
const tokens = await token('refresh_token', undefined, first.refreshToken)
assert.equal(tokens.expiresIn, 1800)
const hubspot = new Client({ basePath, accessToken: tokens.accessToken })
const info = await hubspot.oauth.accessTokensApi.get(tokens.accessToken)
assert.equal(info.hubId, Number(env.HUB_ID))

// A definition.
const schema = await hubspot.crm.schemas.coreApi.create({
  name: 'client_gift',
  labels: { singular: 'Gift', plural: 'Gifts' },
  primaryDisplayProperty: 'gift_name',
  requiredProperties: ['gift_key'],
  searchableProperties: [],
  secondaryDisplayProperties: [],
  properties: [
    { name: 'gift_key', label: 'Key', type: 'string', fieldType: 'text', hasUniqueValue: true },
    { name: 'gift_name', label: 'Name', type: 'string', fieldType: 'text' },
  ],
  associatedObjects: ['CONTACT'],
})
assert.equal(schema.fullyQualifiedName, `p${env.HUB_ID}_client_gift`)
const type = schema.objectTypeId

// Batch upsert: two records, one of them twice over two calls.
const upsert = (...keys) =>
  hubspot.crm.objects.batchApi.upsert(type, {
    inputs: keys.map((key) => ({
      id: key,
      idProperty: 'gift_key',
      objectWriteTraceId: `trace-${key}`,
      properties: { gift_key: key, gift_name: `Gift ${key}` },
    })),
  })
const made = await upsert('a', 'b')
assert.deepEqual(made.results.map((row) => row._new), [true, true])
assert.equal((await upsert('b')).results[0]._new, false)
const gift = made.results.find((row) => row.properties.gift_key === 'a').id

// Batch read by an additional e-mail answers with the primary one.
const contact = await hubspot.crm.contacts.basicApi.create({
  properties: { email: 'Main@Node.example', hs_additional_emails: 'other@node.example' },
  associations: [],
})
const found = await hubspot.crm.contacts.batchApi.read({
  idProperty: 'email',
  inputs: [{ id: 'other@node.example' }, { id: 'nobody@node.example' }],
  properties: ['email', 'hs_additional_emails'],
  propertiesWithHistory: [],
})
assert.deepEqual(found.results.map((row) => row.id), [contact.id])
assert.equal(found.results[0].properties.email, 'main@node.example')
assert.equal(found.numErrors, 1)

// Associations: by default type, then read.
await hubspot.crm.associations.v4.batchApi.createDefault(type, 'contacts', {
  inputs: [{ _from: { id: gift }, to: { id: contact.id } }],
})
const read = await hubspot.crm.associations.v4.batchApi.getPage('contacts', type, { inputs: [{ id: contact.id }] })
assert.equal(String(read.results[0].to[0].toObjectId), gift)

// A dated path by the client's free-form call.
const details = await hubspot.apiRequest({ method: 'GET', path: '/account-info/2026-09/details' })
assert.equal((await details.json()).portalId, Number(env.HUB_ID))

// The client's own check takes the sandbox's signature, and no other.
const valid = (requestBody) =>
  Signature.isValid({
    signatureVersion: 'v3',
    method: 'POST',
    signature: env.WEBHOOK_SIGNATURE,
    clientSecret: env.CLIENT_SECRET,
    requestBody,
    url: env.WEBHOOK_URL,
    timestamp: Number(env.WEBHOOK_TIMESTAMP),
  })
assert.ok(valid(env.WEBHOOK_BODY))
assert.ok(!valid(`${env.WEBHOOK_BODY} `))
console.log('node client: ok')
