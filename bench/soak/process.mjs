// node --expose-gc bench/soak/process.mjs LIBRARY CALLS prints the memory along the way.
import { readdirSync } from 'node:fs';

const [library, total] = [process.argv[2], Number(process.argv[3])];
const { Client, RemoteError, RemoteException, startClearServer, TermError, TimeoutError } =
  await import(library);

const LANES = 64;
const SAMPLES = 100;
const secret = 'a secret for soaking, 32 bytes or more';
const modules = {
  m: {
    echo: (value) => value,
    later: async (value) => {
      await new Promise((resolve) => setImmediate(resolve));
      return value;
    },
    fail: (text) => {
      throw new RangeError(text);
    },
    never: () => new Promise((resolve) => setTimeout(resolve, 200)),
    symbol: () => Symbol('no term'),
    huge: () => 'x'.repeat(3_000_000),
  },
};
const server = await startClearServer(secret, modules, {
  host: '127.0.0.1',
  port: 0,
  maxEncodedResultSize: 2_000_000,
  compressionThreshold: 10_000,
});
const client = new Client({
  url: server.url,
  secret,
  recvTimeout: 60_000,
  compressionThreshold: 10_000,
});

const record = (number) => ({
  id: number,
  name: `record ${number}`,
  ok: true,
  score: 0.5,
  tags: ['a'],
});
const texts = [100, 2_000, 20_000].map((length) => 'text '.repeat(length / 5));
const binaries = [5_000, 100_000, 1_000_000].map((length) => Buffer.alloc(length, 0xf5));
const is = (expected) => (error) => error instanceof expected;

/** What each of a hundred calls does. */
const kinds = [
  { share: 60, call: (n) => client.call('m', 'echo', [record(n)]) },
  { share: 15, call: (n) => client.call('m', 'later', [n]) },
  { share: 10, call: (n) => client.call('m', 'echo', [texts[n % 3]]) },
  { share: 3, call: (n) => client.call('m', 'echo', [binaries[n % 2]]) },
  { share: 4, call: (n) => client.call('m', 'fail', [`number ${n}`]), fails: is(RemoteException) },
  { share: 2, call: () => client.call('m', 'not_there'), fails: is(RemoteError) },
  { share: 2, call: () => client.call('m', 'echo', [() => {}]), fails: is(TermError) },
  { share: 2, call: () => client.call('m', 'symbol'), fails: is(RemoteException) },
  { share: 1, call: () => client.call('m', 'echo', [binaries[2]]), every: 20 },
  {
    share: 1,
    call: rare,
    fails: (error) =>
      is(RemoteException)(error) || is(TimeoutError)(error) || error.name === 'AbortError',
  },
];
const schedule = kinds.flatMap((kind) => Array(kind.share).fill(kind));

function rare(number) {
  switch (((number / 100) % 10) | 0) {
    case 0:
      return client.call('m', 'huge');
    case 1:
      return client.call('m', 'never', [], { recvTimeout: 50 });
    case 2: {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 5);
      return client.call('m', 'never', [], { signal: controller.signal });
    }
    default:
      return client.call('m', 'fail', ['rare']);
  }
}

const history = [];
const outcomes = { returned: 0, failed: 0, wrong: 0 };
const began = performance.now();
let next = 0;

async function lane() {
  while (next < total) {
    const number = next++;
    if (number % Math.ceil(total / SAMPLES) === 0) sample(number);
    const kind = schedule[(number * 37) % schedule.length];
    const { call, fails } = kind.every === undefined || number % kind.every === 0 ? kind : kinds[0];
    try {
      await call(number);
      outcomes[fails === undefined ? 'returned' : 'wrong']++;
    } catch (error) {
      if (fails?.(error) === true) outcomes.failed++;
      else if (outcomes.wrong++ < 5) console.error(`call ${number}:`, error);
    }
  }
}

function sample(number) {
  globalThis.gc();
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
  const descriptors = readdirSync('/proc/self/fd').length;
  history.push({ calls: number, heapUsed, external, arrayBuffers, rss, descriptors });
  if (total > 100_000) process.stderr.write(`\r${number} of ${total}`);
}

await Promise.all(Array.from({ length: LANES }, lane));
const seconds = (performance.now() - began) / 1000;
sample(total);
// Functions of cancelled calls may still run.
for (let round = 0; server.stats().pending > 0 && round < 1000; round++) {
  await new Promise((resolve) => setTimeout(resolve, 10));
}
const stats = { server: server.stats().pending, client: client.stats().pending };
await client.close();
await server.close({ timeout: 1000 });
console.log(JSON.stringify({ total, seconds, outcomes, pending: stats, history }));
