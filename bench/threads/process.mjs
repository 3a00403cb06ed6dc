// node bench/threads/process.mjs LIBRARY THREADS MAIN SEED: the main thread loads the library `first`, `late` (after half
// of the threads) or `never`. Prints JSON, which means that nothing crashed and that every call ended.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { generator } from './random.mjs';

const TASKS = [
  'terms',
  'serve and close',
  'exit in the middle of calls',
  'throw',
  'a thread of its own',
  'terminated while it starts',
  'terminated in the middle of calls',
];
const [library, main] = [process.argv[2], process.argv[4]];
const [total, seed] = [process.argv[3], process.argv[5] ?? 1].map(Number);
const MOST_AT_A_TIME = 6;
const secret = 'a secret for threads, of 32 bytes or more';
const { below, pick } = generator(seed);

let own;

async function load() {
  const { Client, expose, startClearServer } = await import(library);
  const untilAborted = ({ signal }) =>
    new Promise((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', resolve);
    });
  const never = expose.fn(untilAborted, { context: true });
  const modules = { m: { echo: (value) => value, never } };
  const server = await startClearServer(secret, modules, { host: '127.0.0.1', port: 0 });
  const options = { secret, recvTimeout: 60_000, connectTimeout: 5000 };
  own = {
    server,
    Client,
    options,
    client: new Client({ ...options, url: server.url, idleTimeout: 1000 }),
  };
  await own.client.call('m', 'echo', [Buffer.alloc(100_000)]);
}

async function live(number) {
  const task = pick(TASKS);
  const worker = new Worker(new URL('./thread.mjs', import.meta.url), {
    workerData: { library, secret, task, url: own?.server.url, seed: number },
  });
  worker.on('error', (error) => {
    if (task === 'throw' && error.message === 'as expected') return;
    console.error(`thread ${number} (${task}) failed:`, error);
    process.exitCode = 1;
  });
  const exit = new Promise((resolve) => worker.once('exit', resolve));
  if (task === 'terminated while it starts') {
    await delay(below(80));
    await worker.terminate();
  } else if (task === 'terminated in the middle of calls') {
    const begun = new Promise((resolve) => worker.once('message', resolve));
    const called = callThread(await Promise.race([begun, exit]));
    await delay(below(20));
    await worker.terminate();
    await called;
  }
  await exit;
  outcomes[task] = (outcomes[task] ?? 0) + 1;
}

async function callThread(url) {
  if (own === undefined || typeof url !== 'string') return;
  const caller = new own.Client({ ...own.options, url });
  const results = await Promise.all(
    ['never', 'later', 'echo'].map((name) => caller.tryCall('m', name, [5])),
  );
  for (const { ok } of results) calls[ok ? 'returned' : 'failed']++;
  await caller.close();
}

function holdings() {
  return {
    descriptors: list('/proc/self/fd').length,
    threads: list('/proc/self/task').filter((id) => isLasting(nameOf(id))).length,
    rss: process.memoryUsage().rss,
  };
}

function list(folder) {
  return process.platform === 'linux' ? readdirSync(folder) : [];
}

function nameOf(id) {
  try {
    return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** Threads for large messages end by themselves. */
function isLasting(name) {
  return name !== '' && !name.startsWith('backwater-io-');
}

async function waitFor(condition, tries) {
  for (let wait = 0; wait < tries && !condition(); wait++) await delay(10);
}

const outcomes = {};
const calls = { returned: 0, failed: 0 };
const history = [];
let started = 0;
let ended = 0;
let running = 0;
let most = 1 + below(MOST_AT_A_TIME);
if (main === 'first') await load();
const before = holdings();
await new Promise((resolve, reject) => {
  const fill = () => {
    while (running < most && started < total) {
      running++;
      live(++started).then(onEnd).catch(reject);
    }
    if (ended === total) resolve();
  };
  const onEnd = async () => {
    running--;
    ended++;
    if (ended === Math.ceil(total / 2) && main === 'late') await load();
    if (own !== undefined) {
      const sent = ended;
      const value = await own.client.call('m', 'echo', [sent]);
      if (value !== sent) throw new Error(`${value} instead of ${sent}`);
    }
    if (ended % Math.ceil(total / 50) === 0) history.push({ ended, ...holdings() });
    if (below(5) === 0) most = 1 + below(MOST_AT_A_TIME);
    fill();
  };
  fill();
});
let server = { pending: 0, connections: 0 };
if (own !== undefined) {
  const stats = () => own.server.stats();
  await waitFor(() => stats().pending === 0 && stats().connections <= 1, 3000);
  server = stats();
  await own.client.close();
  await own.server.close();
}
const isMore = (now) => now.descriptors > before.descriptors || now.threads > before.threads;
await waitFor(() => !isMore(holdings()), main === 'first' ? 1000 : 100);
const resources = process.getActiveResourcesInfo();
const { pending, connections } = server;
const result = {
  ended,
  outcomes,
  calls,
  pending,
  connections,
  before,
  left: holdings(),
  resources,
};
console.log(JSON.stringify({ ...result, history }));
