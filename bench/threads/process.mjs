// node bench/threads/process.mjs LIBRARY THREADS MAIN SEED: worker threads that load the library, use it
// and leave, in random order and in pools that grow and shrink. MAIN says what the main thread does: it
// loads the library `first`, `late` (after half of the threads) or `never`. Prints JSON; that it gets
// there at all means that nothing crashed.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { generator } from './random.mjs';
import { TASKS } from './tasks.mjs';

const [library, count, main, seed] = [
  process.argv[2],
  Number(process.argv[3]),
  process.argv[4],
  Number(process.argv[5] ?? 1),
];
const MOST_AT_A_TIME = 6;
const secret = 'a secret for threads, of 32 bytes or more';
const { below, pick } = generator(seed);

/** The main thread's server and client, once it has loaded the library. */
let own;

async function load() {
  const { Client, startClearServer } = await import(library);
  const modules = { m: { echo: (value) => value } };
  const server = await startClearServer(secret, modules, { host: '127.0.0.1', port: 0 });
  own = { server, client: new Client({ url: server.url, secret, recvTimeout: 60_000 }) };
}

/** One thread, from its start to its end. */
async function live(number) {
  const task = pick(TASKS);
  const worker = new Worker(new URL('./thread.mjs', import.meta.url), {
    workerData: { library, secret, task, url: own?.server.url, seed: number },
  });
  const expected = { throw: 'as expected' }[task];
  worker.on('error', (error) => {
    if (error.message === expected) return;
    console.error(`thread ${number} (${task}) failed:`, error);
    process.exitCode = 1;
  });
  const exit = new Promise((resolve) => worker.once('exit', resolve));
  if (task === 'terminated while it starts') {
    await delay(below(80));
    await worker.terminate();
  } else if (task === 'terminated in the middle of calls') {
    await Promise.race([new Promise((resolve) => worker.once('message', resolve)), exit]);
    await delay(below(20));
    await worker.terminate();
  }
  await exit;
  outcomes[task] = (outcomes[task] ?? 0) + 1;
}

/** What this process has open. */
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

const outcomes = {};
const history = [];
let started = 0;
let ended = 0;
let running = 0;
let most = 1 + below(MOST_AT_A_TIME);
if (main === 'first') await load();
await new Promise((resolve, reject) => {
  const fill = () => {
    while (running < most && started < count) {
      running++;
      live(++started).then(onEnd).catch(reject);
    }
    if (ended === count) resolve();
  };
  const onEnd = async () => {
    running--;
    ended++;
    if (ended === Math.ceil(count / 2) && main === 'late') await load();
    if (own !== undefined) {
      // Whoever has ended in between, this thread goes on.
      const value = await own.client.call('m', 'echo', [ended]);
      if (typeof value !== 'number') throw new Error(`${value} instead of a number`);
    }
    if (ended % Math.ceil(count / 50) === 0) history.push({ ended, ...holdings() });
    if (below(5) === 0) most = 1 + below(MOST_AT_A_TIME);
    fill();
  };
  fill();
});
await own?.client.close();
await own?.server.close();
// Threads that have ended are joined a moment later.
for (let wait = 0; wait < 100 && holdings().threads > 12; wait++) await delay(10);
console.log(JSON.stringify({ ended, outcomes, history, left: holdings() }));
