import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import {
  Client,
  ConnectError,
  expose,
  RemoteError,
  ResponseAuthenticationError,
  TimeoutError,
  TlsError,
} from '../src/index.js';
import { deaf } from './support/deaf.js';
import { freePort } from './support/fleet.js';
import { projectRoot } from './support/root.js';
import { connect, PATIENT, secret, serve, tcpServer } from './support/rpc.js';

async function refusal(t: ExecutionContext, call: Promise<unknown>): Promise<RemoteError> {
  return (await t.throwsAsync(call, { instanceOf: RemoteError }))!;
}

test('the error for a wrong number of arguments lists the accepted numbers', async (t) => {
  const any = (...all: unknown[]): number => all.length;
  const server = await serve(t, {
    m: {
      none: () => 1,
      one: (a: number) => a,
      some: expose.fn(any, { arity: [4, 1, 2] }),
      two: expose.fn(any, { arity: [0, 255] }),
      many: expose.fn(any, { arity: Array.from({ length: 17 }, (_, index) => index * 2) }),
      sixteen: expose.fn(any, { arity: Array.from({ length: 16 }, (_, index) => index) }),
    },
  });
  const client = connect(t, server);
  for (const [fn, args, detail] of [
    ['none', 1, 'it takes 0 arguments'],
    ['one', 2, 'it takes 1 argument'],
    ['some', 3, 'it takes 1, 2 or 4 arguments'],
    ['two', 1, 'it takes 0 or 255 arguments'],
    ['many', 1, 'it takes 0 to 32 arguments, but not every number between'],
    ['sixteen', 16, 'it takes 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 or 15 arguments'],
    ['missing', 1, undefined],
  ] as const) {
    const error = await refusal(t, client.call('m', fn, Array(args).fill(1)));
    t.like(error, { httpStatus: 404, reason: 'function_not_found', detail });
    const end = detail ?? 'is the function exposed there, with this number of arguments?';
    t.is(
      error.message,
      `the server refused the call to m:${fn}/${args}: 404 not_found: function_not_found: ${end}`,
    );
    t.is('detail' in error, detail !== undefined);
  }
});

test('a peer without the secret learns neither arities nor limits', async (t) => {
  const server = await serve(t, { m: { one: (a: number) => a } }, { maxEncodedArgsSize: 100 });
  for (const length of [0, 1000]) {
    const response = await new Promise<IncomingMessage>((resolve) => {
      const path = '/backwater/1/m/one/7';
      const asked = request(server.url + path, { method: 'POST' }, resolve);
      asked.on('error', () => {});
      asked.end('x'.repeat(length));
    });
    response.resume();
    t.is(response.statusCode, 401);
    t.false('x-backwater-detail' in response.headers);
  }
});

test('a 413 names the limit and both sizes', async (t) => {
  const server = await serve(
    t,
    { m: { size: (text: string) => text.length } },
    {
      maxEncodedArgsSize: 1000,
    },
  );
  const client = connect(t, server);
  const limit = "the server's maxEncodedArgsSize is 1000 bytes";
  // The term has 12 bytes in addition to the text.
  t.is(await client.call('m', 'size', ['x'.repeat(988)], { compressionThreshold: Infinity }), 988);
  const plain = client.call('m', 'size', ['x'.repeat(989)], { compressionThreshold: Infinity });
  const over = await refusal(t, plain);
  t.like(over, { status: 'payload_too_large', reason: '' });
  t.is(over.detail, `the arguments are 1001 bytes, but ${limit}`);
  t.true(over.message.endsWith(`: 413 payload_too_large: ${over.detail}`));
  const inflated = await refusal(t, client.call('m', 'size', ['x'.repeat(100_000)]));
  t.regex(
    inflated.detail!,
    new RegExp(`^the arguments are 1000[0-9]{2} bytes \\([0-9]+ gzipped\\), but ${limit}$`),
  );
  const noise = Array.from({ length: 5000 }, (_, index) => (index * 7919) % 10_007);
  const compressed = await refusal(t, client.call('m', 'size', [noise]));
  t.regex(compressed.detail!, new RegExp(`^the arguments are [0-9]+ bytes.* gzipped.*${limit}$`));
});

async function failure(t: ExecutionContext, url: string, options = {}): Promise<Error> {
  const client = new Client({ url, secret, ...PATIENT, ...options });
  t.teardown(() => client.close());
  return (await t.throwsAsync(client.call('m', 'f')))!;
}

test('connection errors name host and port and explain the reason', async (t) => {
  const port = await freePort(t, 1);
  const refused = await failure(t, `http://127.0.0.1:${port}`);
  t.true(refused instanceof ConnectError);
  t.is(refused.message, `no server at 127.0.0.1:${port} (connection refused)`);
  t.like(refused, { host: '127.0.0.1', port, reason: 'ECONNREFUSED' });

  const unknown = await failure(t, 'http://no-such-host.invalid:81');
  t.true(unknown instanceof ConnectError);
  t.regex(unknown.message, /^cannot resolve no-such-host\.invalid:81: /);

  const { url } = await tcpServer(t, (socket) => void socket.end('what?'));
  const insecure = await failure(t, url.replace('http:', 'https:'));
  t.true(insecure instanceof TlsError);
  t.regex(insecure.message, new RegExp(`^no TLS connection to ${url.slice('http://'.length)}: `));
});

test('a timeout names the server that the call had reached', async (t) => {
  const silent = await tcpServer(t, () => {});
  const { host, port } = new URL(silent.url);
  const waiting = await failure(t, silent.url, { recvTimeout: 100 });
  t.like(waiting, { phase: 'wait', host: '127.0.0.1', port: Number(port) });
  t.true(waiting.message.startsWith(`no complete response from ${host} within 100 ms`));
  const secure = silent.url.replace('http:', 'https:');
  const shaking = await failure(t, secure, { connectTimeout: 100 });
  t.like(shaking, { phase: 'tls', host: '127.0.0.1', port: Number(port) });
  t.true(shaking.message.startsWith(`no connection to ${host} within 100 ms`));
  if (process.platform !== 'linux') return;
  const { url } = await deaf(t);
  const connecting = await failure(t, url, { connectTimeout: 100 });
  t.true(connecting instanceof TimeoutError);
  t.regex(connecting.message, new RegExp(`^no connection to ${new URL(url).host} within 100 ms`));
});

test('the error for a wrong secret starts with the likely cause', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const error = await failure(t, server.url, { secret: 'another secret, of 32 bytes at least' });
  t.true(error instanceof ResponseAuthenticationError);
  t.regex(
    error.message,
    /^most likely, the secrets of client and server differ: .*invalid_signature/,
  );
});

async function printed(lines: string): Promise<string> {
  const program = `
    const { startClearServer } = require(${JSON.stringify(projectRoot())});
    const secret = 'a secret for tests, 32 bytes long!';
    const start = async (options) => {
      const server = await startClearServer(secret, {}, { port: 0, ...options });
      await server.close();
    };
    (async () => { ${lines} })();`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'inherit', 'pipe'] });
  let text = '';
  child.stderr.on('data', (data) => (text += String(data)));
  await once(child, 'close');
  return text;
}

test('a plain server on all interfaces without replay protection warns once', async (t) => {
  const text = await printed("await start({}); await start({ host: '0.0.0.0' });");
  t.is(text.match(/BACKWATER_PUBLIC_SERVER/g)?.length, 1, text);
  t.regex(text, /listens on all interfaces, 0\.0\.0\.0:\d+: .*replayProtection.*startTlsServer/);
});

test('other servers print no warning', async (t) => {
  const text = await printed(`
    await start({ host: '127.0.0.1' });
    await start({ replayProtection: 'prefer' });
    await start({ replayProtection: 'require' });`);
  t.is(text, '');
});
