/**
 * Prints the size of a call's result, the value of a file, and the peak memory in bytes. Run with
 * --expose-gc.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client, decode, startClearServer } from '../../src/index.js';
import { forgetPeak, peak, settle, sizeOf } from './peak-memory.js';

const SECRET = 'the secret of the tests of memory';
const LIMIT = 2 ** 27;

const [role, small, large] = process.argv.slice(2) as [string, string, string];
if (role === 'server') {
  const values = [small, large].map((path) => decode(readFileSync(path), { terms: 'exact' }));
  const { port } = await startClearServer(
    SECRET,
    { m: { value: (index: number) => values[index] } },
    { host: '127.0.0.1', port: 0, maxEncodedResultSize: LIMIT },
  );
  process.send!(port);
  process.once('disconnect', () => process.exit());
} else {
  const server = fork(fileURLToPath(import.meta.url), ['server', small, large]);
  const [port] = (await once(server, 'message')) as [number];
  const client = new Client({
    url: `http://127.0.0.1:${port}`,
    secret: SECRET,
    maxEncodedResultSize: LIMIT,
    recvTimeout: 60_000,
  });
  for (let round = 0; round < 50; round++) await client.call('m', 'value', [0]);
  const before = await settle();
  forgetPeak();
  let result: unknown = await client.call('m', 'value', [1]);
  const held = peak() - before.rss;
  const withResult = sizeOf(await settle());
  if (result !== undefined) result = undefined;
  console.log(JSON.stringify({ held, result: withResult - sizeOf(await settle()) }));
  await client.close();
  server.disconnect();
}
