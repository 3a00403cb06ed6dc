import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { Client, ListenError, startClearServer, type ServerOptions } from '../../src/index.js';
import { freePort } from '../support/fleet.js';
import { PATIENT, secret, serve } from '../support/rpc.js';

const child = fileURLToPath(new URL('./sharing-child.js', import.meta.url));

function start(t: ExecutionContext, ...args: string[]): AsyncIterator<string> {
  const program = spawn(process.execPath, [child, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => program.once('close', resolve));
  t.teardown(async () => {
    program.stdin.end();
    await ended;
  });
  return createInterface(program.stdout)[Symbol.asyncIterator]();
}

async function lines(from: AsyncIterator<string>, count: number): Promise<string[]> {
  const read: string[] = [];
  while (read.length < count) {
    const { value, done } = await from.next();
    if (done === true) throw new Error(`ended after ${read.join()}`);
    read.push(value as string);
  }
  return read;
}

/** Each call has its own connection. */
async function answering(url: string, expected: number): Promise<Set<unknown>> {
  const pids = new Set<unknown>();
  // All 500 connections reach the same process with a probability of 2^-499.
  for (let count = 0; count < 500 && pids.size < expected; count++) {
    await using client = new Client({ url, secret, ...PATIENT });
    pids.add(await client.call('who', 'pid'));
  }
  return pids;
}

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('cluster workers share a port, and calls reach all of them', async (t) => {
  const port = await freePort(t, 1);
  const primary = start(t, 'cluster', String(port));
  const [first, second] = await lines(primary, 2);
  t.is(first, `http://127.0.0.1:${port}`);
  t.is(second, first);
  t.is((await answering(first!, 2)).size, 2);
});

onLinux('port 0 gives each cluster worker its own port', async (t) => {
  const [first, second] = await lines(start(t, 'cluster', '0'), 2);
  t.not(first, second);
  t.is((await answering(first!, 1)).size, 1);
});

onLinux('a cluster worker with reusePort: false does not share its port', async (t) => {
  const port = await freePort(t, 1);
  const found = await lines(start(t, 'cluster', String(port), '{ "reusePort": false }'), 2);
  const [refused] = found.filter((line) => line.startsWith('{'));
  t.is((JSON.parse(refused!) as ListenError).code, 'EADDRINUSE');
});

onLinux('two processes share a port if both set reusePort', async (t) => {
  const port = String(await freePort(t, 1));
  const sharing = '{ "reusePort": true }';
  const [url] = await lines(start(t, 'alone', port, sharing), 1);
  t.deepEqual(await lines(start(t, 'alone', port, sharing), 1), [url!]);
  t.is((await answering(url!, 2)).size, 2);
  const [refused] = await lines(start(t, 'alone', port), 1);
  t.like(JSON.parse(refused!), { code: 'EADDRINUSE', port: Number(port) });
});

test('the error for a port in use names the option', async (t) => {
  const server = await serve(t, {});
  const tries: ServerOptions[] = [{}, { reusePort: false }];
  if (process.platform === 'linux') tries.push({ reusePort: true });
  for (const options of tries) {
    const { port } = server;
    const error = await t.throwsAsync(
      startClearServer(secret, {}, { host: '127.0.0.1', port, ...options }),
      { instanceOf: ListenError, code: 'EADDRINUSE' },
    );
    t.regex(
      error!.message,
      /^listen EADDRINUSE: address already in use 127\.0\.0\.1:\d+ .*reusePort/,
    );
  }
});

if (process.platform === 'win32') {
  test('reusePort is an error on systems that do not support it', async (t) => {
    const error = await t.throwsAsync(startClearServer(secret, {}, { port: 0, reusePort: true }), {
      instanceOf: ListenError,
    });
    t.is(error!.reason, 'ENOTSUP');
    t.regex(error!.message, /reusePort/);
  });
}
