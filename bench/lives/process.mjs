// node bench/lives/process.mjs LIBRARY ROUNDS: worker threads that serve and call are terminated in the
// middle of that, several at a time; what is left of them afterwards is printed as JSON. That it is
// printed at all means that nothing has crashed.
import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

const [library, rounds] = [process.argv[2], Number(process.argv[3])];
const { Client, expose, startClearServer } = await import(library);

const AT_A_TIME = 4;
const secret = 'a secret for lives, of 32 bytes or more';
const modules = {
  m: {
    echo: (value) => value,
    later: (value) => new Promise((resolve) => setTimeout(resolve, value % 5, value)),
    // Until no call waits, so that only leaks are left at the end.
    never: expose.fn(
      ({ signal }) =>
        new Promise((resolve) => {
          if (signal.aborted) resolve();
          else signal.addEventListener('abort', resolve);
        }),
      { context: true },
    ),
    fail: () => {
      throw new Error('as expected');
    },
  },
};
const server = await startClearServer(secret, modules, { host: '127.0.0.1', port: 0 });
const client = new Client({ url: server.url, secret, recvTimeout: 60_000, idleTimeout: 1000 });
const outcomes = { returned: 0, failed: 0 };

/** One thread, from its start to its end at a time that differs from round to round. */
async function live(round) {
  const worker = new Worker(new URL('./thread.mjs', import.meta.url), {
    workerData: { library, url: server.url, secret },
  });
  worker.on('error', (error) => {
    console.error('the thread has failed:', error);
    process.exitCode = 1;
  });
  if (round % 5 === 0) {
    // While it starts.
    await new Promise((resolve) => setTimeout(resolve, round % 60));
    await worker.terminate();
    return;
  }
  const url = await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('exit', () => reject(new Error('the thread has ended at its start')));
  });
  const caller = new Client({ url, secret, recvTimeout: 60_000, connectTimeout: 5000 });
  const calls = ['never', 'later', 'echo'].map((name) => caller.tryCall('m', name, [round]));
  await new Promise((resolve) => setTimeout(resolve, round % 20));
  await worker.terminate();
  for (const { ok } of await Promise.all(calls)) outcomes[ok ? 'returned' : 'failed']++;
  await caller.close();
}

/** What this process has open. */
function holdings() {
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').filter((id) => !isSpare(id)).length,
    rss: process.memoryUsage().rss,
  };
}

function isMore(now, then) {
  return now.descriptors > then.descriptors || now.threads > then.threads;
}

/** Threads for large messages end when there were none for a while. */
function isSpare(id) {
  try {
    return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('backwater-io-');
  } catch {
    return true;
  }
}

// What there is when nothing has happened yet.
await client.call('m', 'echo', [Buffer.alloc(100_000)]);
const before = holdings();
const history = [];
let next = 0;
let ended = 0;
await Promise.all(
  Array.from({ length: AT_A_TIME }, async () => {
    while (next < rounds) {
      await live(next++);
      ended++;
      // Whoever else has died in between, this one lives.
      const sent = ended;
      const value = await client.call('m', 'echo', [sent]);
      if (value !== sent) throw new Error(`${value} instead of ${sent}`);
      if (ended % Math.ceil(rounds / 50) === 0) {
        history.push({ ended, ...holdings() });
        if (rounds > 100) process.stderr.write(`\r${ended} of ${rounds}`);
      }
    }
  }),
);
// Calls of threads that have gone end as soon as their connections are seen to end.
const quiet = () => server.stats().pending === 0 && server.stats().connections <= 1;
for (let wait = 0; wait < 3000 && !quiet(); wait++) {
  await new Promise((resolve) => setTimeout(resolve, 10));
}
const { pending, connections } = server.stats();
await client.close();
await server.close();
let left = holdings();
// What other threads have let go of is not given back in the same moment.
for (let wait = 0; wait < 1000 && isMore(left, before); wait++) {
  await new Promise((resolve) => setTimeout(resolve, 10));
  left = holdings();
}
const resources = process.getActiveResourcesInfo();
const result = { ended, outcomes, pending, connections, before, left, resources, history };
console.log(JSON.stringify(result));
