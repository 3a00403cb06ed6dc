import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { connect, serve } from './support/rpc.js';
import { root } from './support/vectors.js';

const library = pathToFileURL(join(root, 'build-test', 'src', 'index.js')).href;

function run(program: string): { status: number | null; stdout: string; stderr: string } {
  const source = `const b = await import(${JSON.stringify(library)});\n${program}`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', '--input-type=module', '-e', source],
    { encoding: 'utf8', timeout: 240_000 },
  );
  return { status, stdout, stderr };
}

const start = `
const server = await b.startClearServer('a secret for tests, 32 bytes long!', { m: { f: () => 1, never: () => new Promise(() => {}) } },
  { host: '127.0.0.1', port: 0 });
const client = new b.Client({ url: server.url, secret: 'a secret for tests, 32 bytes long!' });
`;

for (const [what, program] of [
  ['closed in order', 'await client.call("m", "f"); await client.close(); await server.close();'],
  [
    'closed twice',
    'await server.close(); await server.close(); await client.close(); await client.close();',
  ],
  ['with a forgotten client', 'await client.call("m", "f"); await server.close();'],
  [
    'by process.exit with calls in flight',
    'client.call("m", "never").catch(() => {}); setTimeout(() => process.exit(0), 50);',
  ],
  ['by process.exit at once', 'client.call("m", "f"); process.exit(0);'],
] as const) {
  test(`a process ends cleanly: ${what}`, (t) => {
    const { status, stderr } = run(start + program);
    t.is(status, 0, stderr);
    t.is(stderr, '');
  });
}

test("a server keeps its process alive, like Node's servers", (t) => {
  const { status, stdout } = run(
    `${start} setTimeout(() => { console.log('alive'); process.exit(0); }, 200).unref();`,
  );
  t.is(status, 0);
  t.is(stdout, 'alive\n');
});

test('an uncaught error ends the process', (t) => {
  const { status, stderr } = run(
    `${start} client.call('m', 'never').catch(() => {}); throw new Error('mine');`,
  );
  t.is(status, 1);
  t.regex(stderr, /mine/);
});

test('10,000 calls at concurrency 64 do not grow the heap', async (t) => {
  const { status, stdout, stderr } = run(`${start}
    let next = 0, errors = 0, early = 0;
    const heap = () => { gc(); return process.memoryUsage().heapUsed; };
    const worker = async () => {
      while (next < 10_000) {
        if (++next === 1000) early = heap();
        await client.call('m', 'f').catch(() => errors++);
      }
    };
    await Promise.all(Array.from({ length: 64 }, worker));
    const growth = heap() - early;
    await client.close();
    await server.close();
    console.log(JSON.stringify({ errors, growth }));`);
  t.is(status, 0, stderr);
  const { errors, growth } = JSON.parse(stdout) as { errors: number; growth: number };
  t.is(errors, 0);
  t.true(growth < 2 * 1024 * 1024, `${growth} bytes more`);
});

test('worker threads that end during calls leave nothing behind', async (t) => {
  const server = await serve(t, { m: { f: () => 1, never: () => new Promise(() => {}) } });
  const client = connect(t, server);
  const { Worker } = await import('node:worker_threads');
  for (let round = 0; round < 20; round++) {
    const worker = new Worker(
      `import(${JSON.stringify(library)}).then((b) => {
        const client = new b.Client({ url: ${JSON.stringify(server.url)}, secret: Buffer.from('a secret for tests, 32 bytes long!') });
        client.call('m', 'never').catch(() => {});
        client.call('m', 'f').then(() => require('node:worker_threads').parentPort.postMessage('up'));
      });`,
      { eval: true },
    );
    await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
  }
  t.is(await client.call('m', 'f'), 1);
});
