import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { runNode } from '../support/child.js';
import { root } from '../support/vectors.js';
import { library, runProgram } from './programs.js';

const USE_TERMS = `
  import { Worker } from 'node:worker_threads';
  const code = \`
    const { decode, encode } = await import(\${JSON.stringify(terms)});
    if (decode(encode([1]))[0] !== 1) throw new Error('wrong');
  \`;
  const useTerms = () =>
    new Promise((resolve, reject) => {
      const url = new URL('data:text/javascript,' + encodeURIComponent(code));
      new Worker(url).once('error', reject).once('exit', resolve);
    });
`;

test('successive threads can load the library without the main thread', async (t) => {
  const program = `${USE_TERMS}
    const codes = [];
    for (let round = 0; round < 5; round++) codes.push(await useTerms());
    console.log(JSON.stringify(codes));`;
  t.deepEqual(await runProgram(t, program), [0, 0, 0, 0, 0]);
});

test('the main thread can load the library after the threads that used it have ended', async (t) => {
  const program = `${USE_TERMS}
    await Promise.all([useTerms(), useTerms(), useTerms()]);
    await useTerms();
    const { Client, startClearServer } = await import(library);
    const server = await startClearServer(secret, { m: { echo: (value) => value } }, local);
    const client = new Client({ url: server.url, secret });
    await useTerms();
    const value = await client.call('m', 'echo', ['x'.repeat(100_000)]);
    await client.close();
    await server.close();
    await useTerms();
    console.log(JSON.stringify(value.length));`;
  t.is(await runProgram(t, program), 100_000);
});

for (const main of ['never', 'late', 'first']) {
  test(`threads start and end in any order while the main thread loads the library: ${main}`, async (t) => {
    const script = join(root, 'bench/threads/process.mjs');
    const { code, signal, stdout, stderr } = await runNode([script, library, '30', main, '11']);
    t.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' }, stdout);
    const result = JSON.parse(stdout) as {
      ended: number;
      calls: { returned: number; failed: number };
      pending: number;
      connections: number;
      before: { descriptors: number; threads: number };
      left: { descriptors: number; threads: number };
      resources: string[];
    };
    t.is(result.ended, 30);
    t.is(result.pending, 0);
    t.true(result.connections <= 1);
    t.deepEqual(
      result.resources.filter((name) => !/^(PipeWrap|TTYWrap)$/.test(name)),
      [],
    );
    if (main !== 'first') return;
    t.true(result.calls.returned + result.calls.failed > 0);
    t.true(result.left.descriptors <= result.before.descriptors, stdout);
    t.true(result.left.threads <= result.before.threads, stdout);
  });
}

(process.platform === 'linux' ? test : test.skip)(
  'threads for large messages are bounded, and only the I/O thread outlives the last server and client',
  async (t) => {
    const program = `
      import { readdirSync, readFileSync } from 'node:fs';
      import { setTimeout as delay } from 'node:timers/promises';
      const ours = () =>
        readdirSync('/proc/self/task')
          .map((id) => {
            try {
              return readFileSync('/proc/self/task/' + id + '/comm', 'utf8').trim();
            } catch {
              return '';
            }
          })
          .filter((name) => name.startsWith('backwater'));
      const before = ours();
      const { Client, startClearServer } = await import(library);
      const loaded = ours();
      const server = await startClearServer(secret, { m: { echo: (value) => value } }, local);
      const client = new Client({ url: server.url, secret, maxConnections: 200, recvTimeout: 200_000 });
      const large = Buffer.alloc(200_000, 7);
      let most = 0;
      const calls = Promise.all(
        Array.from({ length: 200 }, async () => {
          await client.call('m', 'echo', [large]);
          most = Math.max(most, ours().length);
        }),
      );
      await calls;
      await client.close();
      await server.close();
      let left = ours();
      for (let wait = 0; wait < 1000 && left.length > 1; wait++) {
        await delay(20);
        left = ours();
      }
      console.log(JSON.stringify({ before, loaded, most, left }));`;
    const { most, ...others } = (await runProgram(t, program)) as { most: number };
    t.deepEqual(others as unknown, { before: [], loaded: [], left: ['backwater-io'] });
    t.true(most > 1 && most <= 1 + Math.max(4, availableParallelism()), `${most} threads`);
  },
);
