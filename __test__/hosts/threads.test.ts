import { join } from 'node:path';
import test from 'ava';
import { runNode } from '../support/child.js';
import { root } from '../support/vectors.js';
import { library, runProgram } from './programs.js';

/** A worker thread that uses the codec, and resolves when it has ended by itself. */
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

test('threads load the library one after the other, and the main thread never does', async (t) => {
  const program = `${USE_TERMS}
    const codes = [];
    for (let round = 0; round < 5; round++) codes.push(await useTerms());
    console.log(JSON.stringify(codes));`;
  t.deepEqual(await runProgram(t, program), [0, 0, 0, 0, 0]);
});

test('the main thread loads the library after the threads that had it have ended', async (t) => {
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
  test(`threads come and go in any order while the main thread loads the library: ${main}`, async (t) => {
    const script = join(root, 'bench/threads/process.mjs');
    const { code, signal, stdout, stderr } = await runNode([script, library, '30', main, '11']);
    t.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' }, stdout);
    t.is((JSON.parse(stdout) as { ended: number }).ended, 30);
  });
}
