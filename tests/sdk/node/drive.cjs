// Sends one call of every kind with an unmodified @segment/analytics-node, and exits 1 when the SDK reports an error.
//
//   SEGMENT_HOST=http://127.0.0.1:8080 SEGMENT_PATH=/cdp/v1/batch node drive.cjs
//
// The SDK drops the path of its `host` setting: the proxy's prefix goes into `path`.
// The module is found by NODE_PATH, since it is installed outside of the tree.

const { Analytics } = require('@segment/analytics-node')

const env = (name, fallback) => process.env[name] || fallback
const userId = env('USER_ID', 'customer-1001')
const anonymousId = env('ANONYMOUS_ID', '7b0f6d5e-52a8-4c38-9a57-2f0f1f6f8f10')
const problems = []

const analytics = new Analytics({
  writeKey: env('WRITE_KEY', 'node-write-key'),
  host: env('SEGMENT_HOST', 'http://127.0.0.1:8080'),
  path: env('SEGMENT_PATH', '/cdp/v1/batch'),
  flushAt: 6,
  maxRetries: 0,
})
analytics.on('error', (error) => problems.push(error))

function sent(done) {
  return (error) => {
    if (error) problems.push(error)
    done()
  }
}

const calls = [
  ['identify', { userId, anonymousId, traits: { email: 'ada@example.com', plan: 'gold' } }],
  // No anonymousId: only the userId can lead to the click.
  ['track', {
    userId,
    event: 'Order Completed',
    properties: {
      order_id: env('ORDER_ID', 'node-order-1'),
      revenue: 42.5,
      currency: 'EUR',
      products: [
        { sku: 'SCARF-01', name: 'Scarf', price: 30.0, quantity: 1 },
        { sku: 'THREAD-9', name: 'Thread', price: 12.5, quantity: 1 },
      ],
    },
  }],
  ['page', { userId, anonymousId, name: 'Thanks', properties: { url: 'https://shop.example/thanks' } }],
  ['group', { userId, anonymousId, groupId: 'weavers', traits: { name: 'Weavers' } }],
  ['alias', { userId: `${userId}-new`, previousId: userId }],
  ['screen', { userId, anonymousId, name: 'Receipt', properties: { tab: 'orders' } }],
]

async function main() {
  await Promise.all(calls.map(([kind, call]) => new Promise((done) => analytics[kind](call, sent(done)))))
  await analytics.closeAndFlush({ timeout: 10000 })
  for (const problem of problems) console.error('the SDK reports:', problem)
  if (problems.length > 0) process.exit(1)
  console.log(`${calls.length} calls sent`)
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
