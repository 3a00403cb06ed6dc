// See crates/node/src/faults.rs.
import assert from 'node:assert/strict';
import { Client, startClearServer } from '../../build/index.js';

const secret = 'at least 32 bytes of random data';
const local = { host: '127.0.0.1', port: 0 };
const server = await startClearServer(secret, { m: { echo: (value) => value } }, local);
const client = new Client({ url: server.url, secret, recvTimeout: 10_000 });
const large = Buffer.alloc(200_000, 0xf5);

async function provoke(place, value) {
  process.env.BACKWATER_PANIC = place;
  try {
    return await client.tryCall('m', 'echo', [value]);
  } finally {
    delete process.env.BACKWATER_PANIC;
  }
}

for (const place of ['job', 'service', 'event', 'inbox']) {
  for (const value of [1, 'text', large]) {
    const { ok, error } = await provoke(place, value);
    assert.equal(ok, false, `${place}: the call has not failed`);
    console.log(`${place}: ${error.message}`);
    assert.notEqual(error.code, 'ERR_BACKWATER_TIMEOUT', `${place}: the call hung`);
    assert.deepEqual(
      await client.call('m', 'echo', [value], { binaries: 'buffer' }),
      Buffer.isBuffer(value) ? value : value === 'text' ? Buffer.from('text') : value,
    );
  }
}

process.env.BACKWATER_PANIC = 'function';
assert.throws(() => server.stats(), /requested at/);
delete process.env.BACKWATER_PANIC;
assert.equal(server.stats().pending, 0);
assert.equal(client.stats().pending, 0);
await client.close();
await server.close();
console.log('Each panic was one failed call.');
