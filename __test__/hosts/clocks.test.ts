import test from 'ava';
import { runProgram } from './programs.js';

/** Freezes every clock and timer until `restore()`. */
const FROZEN = `
  import timers from 'node:timers';
  import promises from 'node:timers/promises';
  import { syncBuiltinESMExports } from 'node:module';
  const never = () => new Promise(() => {});
  const names = ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate'];
  const mocks = [
    ...names.map((name) => [globalThis, name, () => 1]),
    ...names.map((name) => [timers, name, () => 1]),
    [promises, 'setTimeout', never],
    [promises, 'setImmediate', never],
    [globalThis, 'queueMicrotask', () => {}],
    [globalThis, 'Date', class extends Date { static now() { return 0; } constructor(...args) { super(...(args.length ? args : [0])); } }],
    [globalThis, 'performance', { now: () => 0, timeOrigin: 0 }],
    [process, 'hrtime', Object.assign(() => [0, 0], { bigint: () => 0n })],
  ];
  let undo = [];
  const freeze = () => {
    undo = mocks.map(([owner, name, mock]) => {
      const descriptor = Object.getOwnPropertyDescriptor(owner, name);
      Object.defineProperty(owner, name, { value: mock, configurable: true, writable: true });
      return () => Object.defineProperty(owner, name, descriptor);
    });
    syncBuiltinESMExports();
  };
  const restore = () => {
    for (const each of undo) each();
    syncBuiltinESMExports();
  };
`;

const USE = `
  const use = async ({ Client, expose, startClearServer, encode, decode }) => {
    const modules = {
      m: {
        echo: (value) => value,
        later: async (value) => (await null, value),
        never: () => new Promise(() => {}),
        overdue: expose.fn(
          ({ signal, deadline }) =>
            new Promise((resolve) => {
              signal.addEventListener('abort', () => resolve(reasons.push([signal.reason.name, deadline > 1e12])));
            }),
          { context: true },
        ),
      },
    };
    const reasons = [];
    const server = await startClearServer(secret, modules, local);
    const url = 'http://localhost:' + server.port;
    const client = new Client({ url, secret, resolveInterval: 20 });
    const results = await Promise.all([
      ...Array.from({ length: 100 }, (_, number) => client.call('m', 'later', [number])),
      client.call('m', 'echo', ['x'.repeat(300_000)]),
    ]);
    for (let number = 0; number < 20; number++) results.push(await client.call('m', 'echo', [number]));
    decode(encode(Array.from({ length: 200_000 }, (_, number) => number)));
    const errors = [(await client.tryCall('m', 'never', [], { recvTimeout: 50 })).error.name];
    // A call whose deadline passes first is never started.
    while (reasons.length === 0) {
      errors[1] = (await client.tryCall('m', 'overdue', [], { timeout: 100 })).error.name;
      for (let round = 0; round < 50 && reasons.length === 0; round++) {
        await client.call('m', 'echo', [1]);
      }
    }
    while (client.stats().resolutions < 2) await client.call('m', 'echo', [1]);
    await client.close();
    await server.close();
    return { results: results.length, errors, reasons: reasons.slice(0, 1) };
  };
`;
const USED = {
  results: 121,
  errors: ['TimeoutError', 'TimeoutError'],
  reasons: [['TimeoutError', true]],
};

test('the library works if timers and clocks are mocked before it is loaded', async (t) => {
  const program = `${FROZEN} ${USE}
    freeze();
    const backwater = await import(library);
    const results = [await use(backwater)];
    restore();
    results.push(await use(backwater));
    console.log(JSON.stringify(results));`;
  t.deepEqual(await runProgram(t, program), [USED, USED]);
});

test('the library works if timers and clocks are mocked after it is loaded', async (t) => {
  const program = `${FROZEN} ${USE}
    const backwater = await import(library);
    const results = [await use(backwater)];
    freeze();
    results.push(await use(backwater));
    restore();
    results.push(await use(backwater));
    console.log(JSON.stringify(results));`;
  t.deepEqual(await runProgram(t, program), [USED, USED, USED]);
});

test('the library works with the mocked timers of node:test', async (t) => {
  const program = `${USE}
    const { mock } = await import('node:test');
    mock.timers.enable();
    const backwater = await import(library);
    const results = [await use(backwater)];
    mock.timers.reset();
    results.push(await use(backwater));
    mock.timers.enable();
    results.push(await use(backwater));
    mock.timers.reset();
    console.log(JSON.stringify(results));`;
  const flags = ['--no-warnings'];
  t.deepEqual(await runProgram(t, program, flags), [USED, USED, USED]);
});

test('the library works if timers are numbers, as in browsers', async (t) => {
  const program = `${USE}
    for (const name of ['setTimeout', 'setInterval']) {
      const real = globalThis[name];
      globalThis[name] = (...args) => Number(real(...args));
    }
    console.log(JSON.stringify(await use(await import(library))));`;
  t.deepEqual(await runProgram(t, program), USED);
});

test('servers with worker threads start, replace threads and close while clocks are mocked', async (t) => {
  const modules = `export const m = { echo: (value) => value, end: () => process.exit(1) };`;
  const program = `${FROZEN}
    freeze();
    const { Client, startClearServer } = await import(library);
    const url = new URL('data:text/javascript,' + ${JSON.stringify(encodeURIComponent(modules))});
    const server = await startClearServer(secret, url, { ...local, workers: 1 });
    const client = new Client({ url: server.url, secret });
    process.on('warning', () => {});
    const { error } = await client.tryCall('m', 'end');
    const value = await client.call('m', 'echo', [1]);
    await client.close();
    await server.close();
    restore();
    console.log(JSON.stringify([error.name, value]));`;
  t.deepEqual(await runProgram(t, program, ['--no-warnings']), ['RemoteException', 1]);
});
