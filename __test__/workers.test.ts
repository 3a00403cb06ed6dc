import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import anyTest, { type ExecutionContext } from 'ava';
import {
  BackwaterError,
  Client,
  OptionError,
  RemoteError,
  RemoteException,
  startClearServer,
  type Server,
  type ServerOptions,
} from '../src/index.js';
import { connect, secret, serve } from './support/rpc.js';
import { eventually } from './support/stalling.js';

// Serial, because each has many threads.
const test = anyTest.serial;

const modules = new URL('./support/workers/modules.js', import.meta.url);

// These tests end workers, which emit warnings.
process.on('warning', () => {});

async function start(t: ExecutionContext, options: ServerOptions = {}): Promise<Server> {
  const server = await startClearServer(secret, modules, {
    host: '127.0.0.1',
    port: 0,
    workers: 2,
    ...options,
  });
  t.teardown(() => server.close({ timeout: 0 }));
  return server;
}

function moduleOf(t: ExecutionContext, source: string): URL {
  const folder = mkdtempSync(join(tmpdir(), 'backwater-workers-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'module.mjs');
  writeFileSync(file, source);
  return pathToFileURL(file);
}

function endedInTheMiddle(t: ExecutionContext, error: unknown): void {
  if (!(error instanceof RemoteException)) return t.fail(String(error));
  t.is(error.class, 'error');
  t.regex(error.message, /WorkerEndedError \[ERR_BACKWATER_WORKER_ENDED\]/);
}

async function failed(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    (value) => new Error(`returned ${String(value)}`),
    (error: unknown) => error,
  );
}

test('calls run in worker threads', async (t) => {
  const server = await start(t);
  const client = connect(t, server);
  const ids = new Set<unknown>();
  let made = 0;
  // Workers take turns, unless one is slow to wake up.
  while (ids.size < 2 && made++ < 10_000) ids.add(await client.call('thread', 'id'));
  t.is(ids.size, 2);
  t.is(await client.call('thread', 'is_main'), false);
  const { workers, calls, pending } = server.stats();
  t.deepEqual(workers.map(({ threadId }) => threadId).sort(), [...(ids as Set<number>)].sort());
  t.is(
    workers.reduce((sum, { calls: own }) => sum + own, 0),
    made + 1,
  );
  t.is(calls, made + 1);
  t.is(pending, 0);
});

test('values, exceptions and contexts work as in the main thread', async (t) => {
  const server = await start(t);
  const client = connect(t, server, { rethrowRemoteExceptions: true });
  t.deepEqual(await client.call('work', 'echo', [{ a: [1, 'x', null] }]), { a: [1, 'x', null] });
  const large = Buffer.alloc(1024 * 1024, 7);
  t.true(large.equals(await client.call<Buffer>('work', 'echo', [large], { binaries: 'buffer' })));
  await t.throwsAsync(client.call('work', 'fail'), {
    instanceOf: TypeError,
    message: 'as expected',
  });
  t.deepEqual(await client.call('work', 'about'), ['work', 'about', 0]);
  const refused = await failed(client.call('work', 'about', [1]));
  t.true(refused instanceof RemoteError && refused.status === 'not_found', String(refused));
});

test('the worker with the fewest calls in flight gets the next call', async (t) => {
  // On a busy machine, a worker that waits leaves more calls to the other one.
  await eventually('each has its part', async () => {
    const server = await start(t);
    const client = connect(t, server);
    const calls = Array.from({ length: 20 }, () => client.tryCall('work', 'never'));
    await eventually('all are taken', () => {
      return server.stats().workers.reduce((sum, { calls: taken }) => sum + taken, 0) === 20;
    });
    const hasParts = server.stats().workers.every(({ pending }) => pending >= 7);
    await server.close({ timeout: 0 });
    for (const { ok } of await Promise.all(calls)) t.false(ok);
    return hasParts;
  });
});

test('a function that blocks one worker delays no other call', async (t) => {
  const server = await start(t);
  const client = connect(t, server);
  const file = fileURLToPath(moduleOf(t, 'as long as this is here'));
  const blocked = client.call<number>('work', 'block_while_there_is', [file]);
  // Until it has begun, either worker may take it, and later calls may precede it.
  await eventually('it has begun', () => existsSync(`${file}.begun`));
  const others = await Promise.all(
    Array.from({ length: 200 }, () => client.call<number>('thread', 'id')),
  );
  t.is(new Set(others).size, 1);
  rmSync(file);
  t.false(others.includes(await blocked));
});

for (const [how, options] of [
  ['by_exit', {}],
  ['by_throwing_later', {}],
  ['by_memory', { workerOptions: { resourceLimits: { maxOldGenerationSizeMb: 24 } } }],
] as const) {
  test(`a worker that ends (${how}) fails only its own calls and is replaced`, async (t) => {
    const server = await start(t, { workers: 1, ...options });
    const client = connect(t, server);
    const before = await client.call('thread', 'id');
    const held = client.call('work', 'never');
    await eventually('it is held', () => server.stats().workers[0]!.pending === 1);
    const [crash, inTheMiddle] = await Promise.all([failed(client.call('end', how)), failed(held)]);
    endedInTheMiddle(t, crash);
    endedInTheMiddle(t, inTheMiddle);
    // On a busy machine, a new worker takes longer than one call waits.
    let after: unknown;
    await eventually('there is a worker again', async () => {
      const result = await client.tryCall('thread', 'id');
      if (result.ok) after = result.value;
      else t.is((result.error as RemoteError).reason, 'no_worker', String(result.error));
      return result.ok;
    });
    t.not(after, before);
    t.is(server.stats().workers[0]!.restarts, 1);
    t.is(server.stats().pending, 0);
  });
}

test('calls that an exiting worker has not started go to another worker', async (t) => {
  const server = await start(t, { workers: 2 });
  const client = connect(t, server);
  const file = fileURLToPath(moduleOf(t, 'as long as this is here'));
  const pending = (count: number): Promise<void> =>
    eventually(`${count} calls are there`, () => server.stats().pending === count);
  const blocked = [1, 2].map(() => client.call('work', 'block_while_there_is', [file]));
  await pending(2);
  const crash = failed(client.call('end', 'by_exit'));
  await pending(3);
  const behind = Array.from({ length: 6 }, (_, index) => client.call('work', 'echo', [index]));
  await pending(9);
  for (const worker of server.stats().workers) t.true(worker.pending >= 2, 'both have some');
  rmSync(file);
  t.deepEqual(await Promise.all(behind), [0, 1, 2, 3, 4, 5]);
  await Promise.all(blocked);
  endedInTheMiddle(t, await crash);
});

test('calls that a worker finished just before it exited have their results', async (t) => {
  const server = await start(t, { workers: 1 });
  const client = connect(t, server);
  const file = fileURLToPath(moduleOf(t, 'as long as this is here'));
  const blocked = client.call('work', 'block_while_there_is', [file]);
  await eventually('it has begun', () => existsSync(`${file}.begun`));
  const ahead = Array.from({ length: 20 }, (_, index) => client.call('work', 'echo', [index]));
  await eventually('they are there', () => server.stats().pending === 21);
  const crash = failed(client.call('end', 'by_exit'));
  await eventually('all are there', () => server.stats().pending === 22);
  rmSync(file);
  t.is(typeof (await blocked), 'number');
  t.deepEqual(await Promise.all(ahead), [...ahead.keys()]);
  endedInTheMiddle(t, await crash);
});

test('calls are refused after a while if no worker is running', async (t) => {
  const url = moduleOf(
    t,
    `let first = true;
    export const m = { f: () => 1, exit: () => process.exit(1) };
    import { workerData } from 'node:worker_threads';
    if (process.env.BACKWATER_TEST_FAIL) throw new Error('cannot start again');`,
  );
  const env = { ...process.env } as Record<string, string>;
  const server = await startClearServer(secret, url, {
    host: '127.0.0.1',
    port: 0,
    workers: 1,
    workerOptions: { env },
  });
  t.teardown(() => server.close({ timeout: 0 }));
  const client = connect(t, server);
  env['BACKWATER_TEST_FAIL'] = '1';
  endedInTheMiddle(t, await failed(client.call('m', 'exit')));
  const error = await failed(client.call('m', 'f'));
  t.true(error instanceof RemoteError && error.httpStatus === 503, String(error));
  t.is((error as RemoteError).reason, 'no_worker');
  delete env['BACKWATER_TEST_FAIL'];
  await eventually('a worker is up again', () => server.stats().workers[0]!.threadId !== undefined);
});

test('a client in a worker can call another server', async (t) => {
  const target = await serve(t, { m: { echo: (value: unknown) => value } });
  const server = await start(t);
  const client = connect(t, server);
  const values = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      client.call('work', 'relay', [target.url, secret, index]),
    ),
  );
  t.deepEqual(
    values,
    Array.from({ length: 20 }, (_, index) => index),
  );
});

test('clients in all threads share their connections', async (t) => {
  const target = await serve(t, { m: { echo: (value: unknown) => value } });
  const server = await start(t);
  const client = connect(t, server, { maxConnections: 4 });
  const same = new Client({ url: target.url, secret });
  t.teardown(() => same.close());
  t.is(await same.call('m', 'echo', [0]), 0);
  for (let index = 0; index < 8; index++) {
    await client.call('work', 'relay', [target.url, secret, index]);
  }
  t.is(target.stats().connections, 1);
});

test('a default export provides the modules', async (t) => {
  const url = moduleOf(t, 'export const a = 1; export default { m: { f: () => 5 } };');
  const server = await startClearServer(secret, url, { host: '127.0.0.1', port: 0, workers: 1 });
  t.teardown(() => server.close());
  const client: Client = connect(t, server);
  t.is(await client.call('m', 'f'), 5);
});

for (const [what, source, expected] of [
  ['that throws', "throw new RangeError('not today');", /cannot import file:.*: not today$/],
  ['that cannot be parsed', 'export const = 1;', /cannot import file:.*:/],
  ['that throws a value that is not an error', 'throw { a: () => {} };', /cannot import file:.*:/],
  ['that ends its thread', 'process.exit(4);', /ended by itself, with exit code 4/],
  ['that never ends', 'await new Promise(() => {});', /ended by itself, with exit code 13/],
] as const) {
  test(`a module ${what} prevents the server from starting`, async (t) => {
    const url = moduleOf(t, source);
    const error = await failed(startClearServer(secret, url, { port: 0, workers: 2 }));
    t.true(error instanceof BackwaterError, String(error));
    t.regex((error as Error).message, expected);
    t.not((error as Error).cause, undefined);
  });
}

test('invalid modules are refused as in the main thread', async (t) => {
  const url = moduleOf(t, 'export const m = { f: () => 1 }; export const n = 5;');
  const error = await failed(startClearServer(secret, url, { port: 0, workers: 1 }));
  t.true(error instanceof OptionError, String(error));
  t.is((error as OptionError).option, 'modules.n');
  t.regex((error as Error).message, /modules\.n: a module must be an object of functions, not 5/);
});

test('all workers must export the same functions', async (t) => {
  const url = moduleOf(
    t,
    `import { threadId } from 'node:worker_threads';
    export const m = threadId % 2 === 0 ? { f: () => 1 } : { f: () => 1, g: (x) => x };`,
  );
  const error = await failed(startClearServer(secret, url, { port: 0, workers: 4 }));
  t.true(error instanceof OptionError, String(error));
  t.regex((error as Error).message, /not the same in all worker threads: .* m:g\/1$/);
});

test('workers require modules as a URL', async (t) => {
  for (const option of ['workers', 'workerOptions'] as const) {
    const options = { workers: { workers: 2 }, workerOptions: { workerOptions: {} } }[option];
    const error = await failed(startClearServer(secret, { m: { f: () => 1 } }, options));
    t.true(error instanceof OptionError && error.option === option, String(error));
    t.regex((error as Error).message, /new URL\('\.\/modules\.js', import\.meta\.url\)/);
  }
});

test('worker threads run the interceptors exported by the file', async (t) => {
  const source = (exported: string, modules: string): string => `
    const tag = async (call, next) => [call.side, call.args.length, await next(call)];
    ${exported}
    ${modules}`;
  const list = 'export const interceptors = [tag, tag];';
  const tagged = ['server', 1, ['server', 1, 7]];
  const cases = [
    [list, 'export const m = { echo: (x) => x };', tagged],
    [list, 'export default { m: { echo: (x) => x } };', tagged],
    ['export const interceptors = [];', 'export const m = { echo: (x) => x };', 7],
    ['export const interceptors = { f: () => 1 };', 'export const m = { echo: (x) => x };', 7],
  ] as const;
  for (const [exported, modules, expected] of cases) {
    const url = moduleOf(t, source(exported, modules));
    const options = { host: '127.0.0.1', port: 0, workers: 1 };
    const server = await startClearServer(secret, url, options);
    t.teardown(() => server.close());
    const client = connect(t, server);
    t.deepEqual(await client.call('m', 'echo', [7]), expected as never);
    t.is((await client.tryCall('interceptors', 'f')).ok, exported.includes('f:'));
  }
});

test('interceptors that worker threads cannot use are refused', async (t) => {
  const option = await failed(
    startClearServer(secret, modules, { port: 0, interceptors: [(call, next) => next(call)] }),
  );
  t.true(option instanceof OptionError && option.option === 'interceptors', String(option));
  t.regex((option as Error).message, /export const interceptors = \[log\]/);
  for (const [exported, message] of [
    ['() => 1', /the export 'interceptors' must be a list of functions, not a function/],
    ['[1]', /option 'interceptors' takes a list of functions/],
  ] as const) {
    const url = moduleOf(
      t,
      `export const interceptors = ${exported}; export const m = { f: () => 1 };`,
    );
    const error = await failed(startClearServer(secret, url, { port: 0, workers: 1 }));
    t.true(error instanceof OptionError && error.option === 'interceptors', String(error));
    t.regex((error as Error).message, message);
  }
});

test('workerOptions are passed to the threads', async (t) => {
  const server = await start(t, { workerOptions: { env: { GIVEN: 'to the worker' } } });
  const client = connect(t, server);
  t.is(await client.call('thread', 'environment', ['GIVEN']), 'to the worker');
});

test('workers end if the port is in use', async (t) => {
  const server = await start(t);
  const error = await failed(
    startClearServer(secret, modules, { host: '127.0.0.1', port: server.port, workers: 1 }),
  );
  t.is((error as BackwaterError).code, 'EADDRINUSE');
});

test('closing waits for calls, ends the threads and lets the process exit', (t) => {
  const index = new URL('../src/index.js', import.meta.url).href;
  const program = `
    const { startClearServer, Client } = await import(${JSON.stringify(index)});
    const secret = 'at least 32 bytes of random data';
    const server = await startClearServer(secret, new URL(${JSON.stringify(modules.href)}),
      { host: '127.0.0.1', port: 0, workers: 2 });
    const client = new Client({ url: server.url, secret });
    const call = client.call('work', 'block', [300]);
    while (server.stats().pending === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await server.close();
    console.log(typeof (await call));
    await client.close();
    // Node closes the ports of threads that have ended a little later.
    const left = () =>
      process.getActiveResourcesInfo().filter((name) => /Worker|MessagePort/.test(name));
    for (let turn = 0; turn < 500 && left().length > 0; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    console.log(left());`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', program],
    { encoding: 'utf8', timeout: 240_000 },
  );
  t.is(stderr, '');
  t.is(stdout, 'number\n[]\n');
  t.is(status, 0);
});

test('threads start in processes with V8 flags', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'backwater-flags-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'program.mjs');
  const index = new URL('../src/index.js', import.meta.url).href;
  writeFileSync(
    file,
    `const { startClearServer, Client } = await import(${JSON.stringify(index)});
    const secret = 'at least 32 bytes of random data';
    const server = await startClearServer(secret, new URL(${JSON.stringify(modules.href)}),
      { host: '127.0.0.1', port: 0, workers: 1 });
    const client = new Client({ url: server.url, secret });
    console.log(typeof (await client.call('work', 'block', [1])));
    await client.close();
    await server.close();`,
  );
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--max-old-space-size=500', '--expose-gc', file],
    { encoding: 'utf8', timeout: 240_000 },
  );
  t.is(stderr, '');
  t.is(stdout, 'number\n');
  t.is(status, 0);
});
