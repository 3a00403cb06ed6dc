import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import anyTest, { type ExecutionContext } from 'ava';
import { RemoteServer } from '../support/streams/server.js';

const test = anyTest.serial;

const PROGRAM = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const BACKWATER_SECRET = 'a secret for tests, 32 bytes long!';

function start(t: ExecutionContext, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [PROGRAM, 'call', ...args], {
    env: { ...process.env, BACKWATER_SECRET },
  });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

async function run(
  t: ExecutionContext,
  args: readonly string[],
): Promise<{ status: number | null; out: string; errors: string }> {
  const child = start(t, args);
  let [out, errors] = ['', ''];
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, out, errors };
}

test('call --stream prints each item on a line', async (t) => {
  const server = await RemoteServer.start(t);
  const { url } = server;
  t.deepEqual(await run(t, [url, 's', 'turns', '3', '--stream']), {
    status: 0,
    out: '0\n1\n2\n',
    errors: '',
  });
  const record = await run(t, [url, 's', 'records', '1', '--stream']);
  t.deepEqual(JSON.parse(record.out), {
    id: 0,
    name: 'name 0',
    price: 0,
    active: true,
    tags: ['a', '0'],
  });
  t.is(record.out.split('\n').length, 2);
  const erlang = await run(t, [url, 's', 'pair', '--stream', '-o', 'erlang']);
  t.is(erlang.out, '{<<"a">>,1}\n');
  const js = await run(t, [url, 's', 'records', '2', '--stream', '-o', 'js']);
  t.is(js.out.split('\n').length, 3);
  t.is((await run(t, [url, 's', 'none', '--stream'])).out, '');
  t.is((await run(t, [url, 's', 'list', '--stream'])).out, '1\n"two"\nnull\n');
});

test('a stream that fails first prints its items', async (t) => {
  const { url } = await RemoteServer.start(t);
  const { status, out, errors } = await run(t, [url, 's', 'fails', '2', '--stream']);
  t.is(status, 1);
  t.is(out, '0\n1\n');
  t.regex(errors, /remote error: .*as expected/);
  const idle = await run(t, [url, 's', 'list', '--idle-timeout', '1s']);
  t.is(idle.status, 2);
  t.regex(idle.errors, /--idle-timeout needs --stream/);
});

test('items are printed as they arrive, and Ctrl-C ends the function', async (t) => {
  const server = await RemoteServer.start(t);
  const child = start(t, [server.url, 's', 'once', '--stream']);
  const [first] = (await once(child.stdout!, 'data')) as [Buffer];
  t.is(first.toString(), '1\n');
  child.kill('SIGINT');
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  t.is(signal, 'SIGINT');
  await server.noted(t, 'once ended: AbortError');
  await server.settled(t);
});

test('the command ends when its pipe is closed', async (t) => {
  const server = await RemoteServer.start(t);
  const child = start(t, [server.url, 's', 'async', '2147483647', '--stream']);
  let errors = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
  await once(child.stdout!, 'data');
  child.stdout!.destroy();
  const [status] = (await once(child, 'close')) as [number | null];
  t.deepEqual({ status, errors }, { status: 0, errors: '' });
  await server.noted(t, 'async ended');
  await server.settled(t);
});

test('an unread pipe pauses the function', async (t) => {
  const server = await RemoteServer.start(t);
  const child = start(t, [server.url, 's', 'bytes', '2147483647', '1000', '--stream']);
  await once(child.stdout!, 'readable');
  child.kill('SIGTERM');
  await once(child, 'exit');
  await server.noted(t, 'bytes ended');
  await server.settled(t);
});
