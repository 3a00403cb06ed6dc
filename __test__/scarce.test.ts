import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { RemoteException, TermError } from '../src/index.js';
import { connect, serve } from './support/rpc.js';

const run = promisify(execFile);
const child = fileURLToPath(new URL('support/scarce-child.js', import.meta.url));

(process.platform === 'win32' ? test.skip : test)(
  'without open files to be had, what is open works on, and all is well again afterwards',
  async (t) => {
    const command = 'ulimit -n 64 && exec "$0" "$1"';
    const { stdout } = await run('/bin/sh', ['-c', command, process.execPath, child], {
      timeout: 240_000,
    });
    t.deepEqual(JSON.parse(stdout), {
      before: 'ok',
      hoarded: true,
      kept: 'ok',
      fresh: 'EMFILE',
      after: 'ok',
    });
  },
);

test('arguments and results that are too large for memory fail one call each', async (t) => {
  const text = 'x'.repeat(2 ** 28 + 1);
  const texts = Array.from({ length: 40 }, () => 'y'.repeat(2 ** 23));
  const numbers = { length: 2 ** 32 - 1 };
  const results: Record<string, () => unknown> = {
    text: () => text,
    texts: () => texts,
    numbers: () => Object.assign([], numbers),
    fine: () => 'fine',
  };
  const server = await serve(t, { m: results });
  const client = connect(t, server);
  for (const name of ['text', 'texts', 'numbers']) {
    const error = await t.throwsAsync(client.call('m', name), { instanceOf: RemoteException });
    t.is(error?.class, 'error');
    t.is(await client.call('m', 'fine'), 'fine');
  }
  for (const args of [[text], [texts]]) {
    await t.throwsAsync(client.call('m', 'fine', args), { instanceOf: TermError });
    t.is(await client.call('m', 'fine'), 'fine');
  }
});

test('a function that blocks its thread delays calls but fails none', async (t) => {
  const block = (): string => {
    const end = Date.now() + 1500;
    while (Date.now() < end);
    return 'done';
  };
  const server = await serve(t, { m: { block, f: () => 'quick' } });
  const client = connect(t, server);
  const results = await Promise.all([
    client.call('m', 'block'),
    ...Array.from({ length: 50 }, () => client.call('m', 'f')),
  ]);
  t.deepEqual(new Set(results), new Set(['done', 'quick']));
});
