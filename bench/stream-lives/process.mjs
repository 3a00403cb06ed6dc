// node --expose-gc bench/stream-lives/process.mjs LIBRARY STREAMS prints what streams with random ends leave behind.
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { generator } from '../threads/random.mjs';

const [library, total] = [process.argv[2], Number(process.argv[3])];
const { Client, RemoteException, startClearServer, TimeoutError } = await import(library);

const LANES = 64;
const SAMPLES = 100;
const secret = 'a secret for streams, 32 bytes or more';
const { below, pick } = generator(1);

/** Generators that have neither returned nor thrown. */
let open = 0;
async function* counted(count, item, then) {
  open++;
  try {
    for (let index = 0; index < count; index++) yield item ?? index;
    then?.();
  } finally {
    open--;
  }
}
const text = 'text '.repeat(200);
const binary = Buffer.alloc(50_000);
const modules = {
  m: {
    numbers: (count) => counted(count),
    texts: (count) => counted(count, text),
    binaries: (count) => counted(count, binary),
    failing: (count) =>
      counted(count, undefined, () => {
        throw new RangeError('expected');
      }),
    unencodable: () => counted(2, () => {}),
    silent() {
      open++;
      let settle;
      const ended = new Promise((resolve) => (settle = resolve));
      const end = async () => (open--, settle({ done: true }), { done: true });
      const iterator = { next: () => ended, return: end };
      return { ...iterator, [Symbol.asyncIterator]: () => iterator };
    },
  },
};

let server;
let client;
/** Closes both after the work, when nothing is left of it. */
async function withBoth(work) {
  server = await startClearServer(secret, modules, { host: '127.0.0.1', port: 0 });
  // Dropped streams count until V8 has collected them.
  client = new Client({ url: server.url, secret, maxStreams: 4 * LANES });
  await work();
  await settled();
  const pending = { server: server.stats().pending, client: client.stats().pending };
  await client.close();
  await server.close({ timeout: 1000 });
  return pending;
}

const stream = (name, args, options) => client.stream('m', name, args, options);

async function take(items, most = Infinity) {
  let count = 0;
  for await (const _item of items) if (++count >= most) break;
  return count;
}

async function fails(items, expected) {
  try {
    await take(items);
    return false;
  } catch (error) {
    if (error.name === expected || (typeof expected !== 'string' && error instanceof expected))
      return true;
    throw error;
  }
}

const MANY = 1_000_000;
let dropped = 0;
/** Each resolves with whether the stream ended that way. */
const ends = {
  complete: async (count = below(300)) => (await take(stream('numbers', [count]))) === count,
  'complete, large items': async () => (await take(stream('binaries', [5]))) === 5,
  break: async (count = 1 + below(50)) => (await take(stream('texts', [MANY]), count)) === count,
  'break, large items': async () => (await take(stream('binaries', [MANY]), 2)) === 2,
  'throw in the loop': async () => {
    try {
      for await (const _item of stream('texts', [MANY])) throw binary;
    } catch (error) {
      return error === binary;
    }
    return false;
  },
  abort: () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), below(5));
    return fails(stream('texts', [MANY], { signal: controller.signal }), 'AbortError');
  },
  'abort while silent': () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), below(5));
    return fails(stream('silent', [], { signal: controller.signal }), 'AbortError');
  },
  timeout: () => fails(stream('silent', [], { timeout: 20 }), TimeoutError),
  exception: () => fails(stream('failing', [below(50)]), RemoteException),
  'item that cannot be encoded': () => fails(stream('unencodable'), RemoteException),
  'never started': async () => stream('texts', [MANY]) !== undefined,
  'dropped unfinished': async () => {
    if (++dropped % LANES === 0) globalThis.gc();
    return !(await stream('texts', [MANY]).next()).done;
  },
};
const names = Object.keys(ends);

const history = [];
const outcomes = Object.fromEntries(names.map((name) => [name, 0]));
const wrong = [];
let next = 0;

async function lane() {
  while (next < total) {
    const number = next++;
    if (number % Math.ceil(total / SAMPLES) === 0) sample(number);
    const name = pick(names);
    try {
      if (await ends[name]()) outcomes[name]++;
      else wrong.push(`${name}: ended otherwise`);
    } catch (error) {
      wrong.push(`${name}: ${error?.stack ?? error}`);
    }
  }
}

function sample(streams) {
  globalThis.gc();
  const { heapUsed, rss } = process.memoryUsage();
  const descriptors = readdirSync('/proc/self/fd').length;
  history.push({ streams, heapUsed, rss, descriptors, open });
  if (total > 10_000) process.stderr.write(`\r${streams} of ${total}`);
}

// The first streams load what all need.
await withBoth(async () => {
  for (const name of names) await ends[name]();
});
const before = snapshot();
const began = performance.now();
const pending = await withBoth(() => Promise.all(Array.from({ length: LANES }, lane)));
const seconds = (performance.now() - began) / 1000;
sample(total);
const left = snapshot();
console.log(JSON.stringify({ total, seconds, outcomes, wrong, pending, before, left, history }));

/** Until dropped streams have been collected, and their generators have ended. */
async function settled() {
  const busy = () => open + server.stats().pending + client.stats().pending > 0;
  for (let round = 0; busy() && round < 2000; round++) {
    globalThis.gc();
    await sleep(10);
  }
}

function snapshot() {
  globalThis.gc();
  return {
    generators: open,
    descriptors: readdirSync('/proc/self/fd').length,
    'heap, MiB': Math.round((process.memoryUsage().heapUsed / 2 ** 20) * 10) / 10,
  };
}
