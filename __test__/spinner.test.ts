import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { environment } from '../src/platform/environment.js';
import { Client, startClearServer } from '../src/index.js';
import { Spinner } from '../src/bridge/spinner.js';

function spinner({ hits = false, inFlight = 0 } = {}) {
  const seen = { spins: [] as number[], limits: [] as number[], drains: 0 };
  const state = { hits, inFlight, time: 0, takes: 0 };
  const subject = new Spinner(
    (microseconds) => {
      seen.spins.push(microseconds);
      state.time += state.takes;
      return state.hits;
    },
    () => seen.drains++,
    () => state.inFlight,
    (microseconds) => seen.limits.push(microseconds),
    () => state.time,
  );
  const turn = async (events = 1, running = 0): Promise<void> => {
    subject.onIdle(events, running);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { subject, seen, state, turn };
}

test('spins for the longest time that a remaining client or server requests', async (t) => {
  const { subject, seen, turn } = spinner({ hits: true });
  await turn();
  t.deepEqual(seen.spins, [], 'no one asked for it');
  subject.set('server 1', 20);
  subject.set('client 1', 50);
  await turn();
  subject.set('client 1', 0);
  await turn();
  subject.set('server 1', 0);
  await turn();
  t.deepEqual(seen.spins, [50, 20]);
  t.is(seen.drains, 2);
  t.deepEqual(seen.limits, [20, 50, 20, 0], 'the I/O threads get the limit');
});

test('does not spin with more than a few calls in flight or while a function runs', async (t) => {
  const { subject, seen, state, turn } = spinner({ hits: true });
  subject.set('server 1', 50);
  await turn(5);
  await turn(1, 1);
  state.inFlight = 5;
  await turn();
  t.deepEqual(seen.spins, []);
  state.inFlight = 4;
  await turn(4);
  t.deepEqual(seen.spins, [50]);
});

test('stops while spinning does not help, retries occasionally and resumes when it helps', async (t) => {
  const { subject, seen, state, turn } = spinner();
  subject.set('server 1', 50);
  for (let count = 0; count < 20; count++) await turn();
  t.true(seen.spins.length <= 4, `${seen.spins.length} spins`);
  for (let count = 0; count < 2000; count++) await turn();
  t.true(seen.spins.length > 4 && seen.spins.length < 20, `${seen.spins.length} spins`);
  state.hits = true;
  const before = seen.spins.length;
  for (let count = 0; count < 300; count++) await turn();
  t.true(seen.spins.length > before + 20, `${seen.spins.length - before} spins`);
});

test('does not delay other work of the event loop', async (t) => {
  const { subject, seen, state } = spinner({ hits: true });
  subject.set('server 1', 50);
  for (const [others, spins] of [
    [2, []],
    [0.01, [50]],
  ] as const) {
    subject.onIdle(1, 0);
    state.time += others;
    await new Promise((resolve) => setImmediate(resolve));
    t.deepEqual(seen.spins, spins);
  }
});

test('stops when other processes need the processor, and handles events that have arrived', async (t) => {
  const { subject, seen, state, turn } = spinner({ hits: true });
  subject.set('server 1', 50);
  state.takes = 1;
  for (let count = 0; count < 200; count++) await turn();
  t.deepEqual([seen.spins.length, seen.drains], [1, 1]);
  state.takes = 0.01;
  for (let count = 0; count < 200; count++) await turn();
  t.true(seen.spins.length > 100, `${seen.spins.length} spins`);
});

test('spins again without waiting for other events', (t) => {
  const source = `
    import { Spinner } from ${JSON.stringify(new URL('../src/bridge/spinner.js', import.meta.url))};
    const start = performance.now();
    const spin = () => process.exit(performance.now() - start < 20_000 ? 0 : 1);
    setTimeout(spin, 20_000);
    const ignore = () => 0;
    const spinner = new Spinner(spin, ignore, ignore, ignore, ignore);
    spinner.set('client 1', 50);
    // After a spin that paid off, which happens in this phase of the event loop.
    setImmediate(() => spinner.onIdle(1, 0));`;
  const { status } = spawnSync(process.execPath, ['--input-type=module', '--eval', source]);
  t.is(status, 0);
});

test('stops waiting when the event loop has other work', async (t) => {
  const posted = new Int32Array(new SharedArrayBuffer(4));
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    parentPort.on('message', () => {
      parentPort.postMessage('other work');
      Atomics.store(workerData, 0, 1);
      Atomics.notify(workerData, 0);
    });
    parentPort.postMessage('ready');`;
  const worker = new Worker(source, { eval: true, workerData: posted });
  await once(worker, 'message');
  worker.postMessage('go');
  Atomics.wait(posted, 0, 0);
  const start = performance.now();
  t.false(environment.spin(60_000_000));
  t.true(performance.now() - start < 30_000);
  t.deepEqual(await once(worker, 'message'), ['other work']);
  await worker.terminate();
});

test('an idle client and server use no CPU', async (t) => {
  const secret = 'at least 32 bytes of random data';
  const modules = { m: { echo: (value: string) => value } };
  const options = { host: '127.0.0.1', port: 0, spin: 1000 };
  await using server = await startClearServer(secret, modules, options);
  await using client = new Client({ url: `http://127.0.0.1:${server.port}`, secret, spin: 1000 });
  for (let count = 0; count < 300; count++) {
    t.is(await client.call('m', 'echo', ['x']), 'x');
  }
  // Compiling and collecting garbage may continue for a while. A spinner yields, so it shows as CPU
  // time on an idle machine and as context switches on a busy one.
  for (let round = 0; ; round++) {
    const before = process.resourceUsage();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const after = process.resourceUsage();
    const used = (name: keyof NodeJS.ResourceUsage): number => after[name] - before[name];
    const cpu = used('userCPUTime') + used('systemCPUTime');
    const switches = used('voluntaryContextSwitches') + used('involuntaryContextSwitches');
    if (cpu < 60_000 && switches < 60) break;
    t.true(round < 100, `${cpu} µs of CPU and ${switches} changes of threads in 0.3 s`);
    if (round === 100) break;
  }
});
