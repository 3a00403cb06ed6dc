import { join } from 'node:path';
import test from 'ava';
import { runNode as run } from './support/child.js';
import { root } from './support/vectors.js';

const library = new URL('../src/index.js', import.meta.url).href;
const modules = new URL('./support/workers/modules.js', import.meta.url).href;

function script(name: string): string {
  return join(root, 'bench', name, 'process.mjs');
}

test('thousands of calls of mixed sizes and failures do not grow memory', async (t) => {
  const { code, stdout, stderr } = await run(['--expose-gc', script('soak'), library, '4000']);
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const { outcomes, pending, history } = JSON.parse(stdout) as {
    outcomes: { returned: number; failed: number; wrong: number };
    pending: { server: number; client: number };
    history: { calls: number; heapUsed: number; arrayBuffers: number; descriptors: number }[];
  };
  t.is(outcomes.wrong, 0);
  t.is(outcomes.returned + outcomes.failed, 4000);
  t.deepEqual(pending, { server: 0, client: 0 });
  const { calls, heapUsed } = history[Math.floor(history.length / 4)]!;
  const last = history.at(-1)!;
  // Keeping 100 bytes per call would exceed this.
  const allowed = 100 * (last.calls - calls);
  t.true(last.heapUsed - heapUsed < allowed, `${last.heapUsed - heapUsed} bytes more heap`);
  // Calls in flight vary, so the end must not exceed the earlier peak.
  const early = history.slice(0, Math.ceil(history.length / 2)).map((each) => each.arrayBuffers);
  t.true(last.arrayBuffers < Math.max(...early) + 4 * 1024 * 1024);
  t.true(last.descriptors <= Math.max(...history.slice(0, 50).map((each) => each.descriptors)));
});

test('streams that end in random ways leave nothing behind', async (t) => {
  const { code, stdout, stderr } = await run([
    '--expose-gc',
    script('stream-lives'),
    library,
    '500',
  ]);
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const { outcomes, wrong, pending, before, left } = JSON.parse(stdout) as {
    outcomes: Record<string, number>;
    wrong: string[];
    pending: { server: number; client: number };
    before: { generators: number; descriptors: number };
    left: { generators: number; descriptors: number };
  };
  t.deepEqual(wrong, []);
  t.true(Object.values(outcomes).every((count) => count > 0));
  t.deepEqual(pending, { server: 0, client: 0 });
  t.is(left.generators, 0);
  t.true(left.descriptors <= before.descriptors, stdout);
});

const inFlight = `
  const b = await import(${JSON.stringify(library)});
  const secret = 'at least 32 bytes of random data';
  const local = { host: '127.0.0.1', port: 0 };
  const never = { m: { never: () => new Promise(() => {}), echo: (value) => value } };
  const own = await b.startClearServer(secret, never, local);
  const shared = await b.startClearServer(secret, new URL(${JSON.stringify(modules)}), { ...local, workers: 2 });
  const client = new b.Client({ url: own.url, secret, recvTimeout: Infinity });
  const other = new b.Client({ url: shared.url, secret, recvTimeout: Infinity });
  const large = Buffer.alloc(300_000);
  for (let number = 0; number < 20; number++) {
    void client.tryCall('m', 'never');
    void client.tryCall('m', 'echo', [large]);
    void other.tryCall('work', 'never');
    void other.tryCall('work', 'echo', [large]);
  }
  while (own.stats().pending < 20 || shared.stats().pending < 20) await new Promise(setImmediate);
  console.log('in flight');
`;

const nobody = async (): Promise<void> => {};

for (const [what, program, expected, onReady] of [
  ['process.exit', 'process.exit(5);', { code: 5, signal: null }, nobody],
  [
    'an exception',
    "setImmediate(() => { throw new Error('mine'); });",
    { code: 1, signal: null },
    nobody,
  ],
  ['a rejection', "Promise.reject(new Error('mine'));", { code: 1, signal: null }, nobody],
  ['SIGTERM', '', { code: null, signal: 'SIGTERM' }, (pid: number) => process.kill(pid, 'SIGTERM')],
  ['SIGINT', '', { code: null, signal: 'SIGINT' }, (pid: number) => process.kill(pid, 'SIGINT')],
  [
    'a SIGTERM handler that closes',
    `process.once('SIGTERM', async () => {
       await Promise.all([own.close({ timeout: 0 }), shared.close({ timeout: 0 })]);
       await Promise.all([client.close(), other.close()]);
     });
     process.kill(process.pid, 'SIGTERM');`,
    { code: 0, signal: null },
    nobody,
  ],
] as const) {
  test(`${what} ends a process with calls in flight as usual`, async (t) => {
    const args = ['--input-type=module', '-e', inFlight + program];
    const { code, signal, stderr } = await run(args, (pid) => void onReady(pid));
    t.deepEqual({ code, signal }, expected, stderr);
    t.notRegex(stderr, /panicked|FATAL|Segmentation|napi/i);
  });
}

test('close leaves no descriptor, thread or timer', async (t) => {
  const program = `
    import { readdirSync, readFileSync } from 'node:fs';
    ${inFlight.replaceAll("console.log('in flight');", '')}
    await Promise.all([own.close({ timeout: 0 }), shared.close({ timeout: 0 })]);
    await Promise.all([client.close(), other.close()]);
    const before = holdings();
    for (let round = 0; round < 5; round++) {
      const server = await b.startClearServer(secret, never, { ...local, ioThreads: 1 });
      const again = new b.Client({ url: server.url, secret, recvTimeout: 60_000 });
      void again.tryCall('m', 'never');
      await Promise.all(Array.from({ length: 50 }, (_, value) => again.call('m', 'echo', [value])));
      await b.tryCall({ url: server.url, secret, recvTimeout: 10 }, 'm', 'never');
      await server.close({ timeout: 0 });
      await again.close();
    }
    function holdings() {
      const threads = readdirSync('/proc/self/task').map((id) => {
        try { return readFileSync('/proc/self/task/' + id + '/comm', 'utf8').trim(); } catch { return ''; }
      });
      return {
        sockets: readdirSync('/proc/self/fd').length,
        threads: threads.filter((name) => !name.startsWith('backwater-io-') && name !== '').length,
      };
    }
    // Memory that other threads have freed is not returned at once.
    let after = holdings();
    for (let round = 0; round < 500; round++) {
      if (after.sockets <= before.sockets && after.threads <= before.threads) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
      after = holdings();
    }
    console.log(JSON.stringify({ before, after, resources: process.getActiveResourcesInfo() }));`;
  const { code, stdout, stderr } = await run(['--input-type=module', '-e', program]);
  t.is(code, 0, stderr);
  t.is(stderr, '');
  if (process.platform !== 'linux') return;
  const { before, after, resources } = JSON.parse(stdout) as {
    before: { sockets: number; threads: number };
    after: { sockets: number; threads: number };
    resources: string[];
  };
  t.true(after.sockets <= before.sockets, stdout);
  t.true(after.threads <= before.threads, stdout);
  t.deepEqual(
    resources.filter((name) => !/^(PipeWrap|TTYWrap)$/.test(name)),
    [],
  );
});
