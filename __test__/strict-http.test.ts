import { once } from 'node:events';
import { connect as dial, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as dialTls } from 'node:tls';
import test from 'ava';
import { Authority } from './support/certificates.js';
import { connect, secret, serve } from './support/rpc.js';
import { make, withLine, withTarget } from './support/request-rows.js';
import { exchangeRaw, requestBytes, signedRequest } from './support/signing.js';
import { eventually } from './support/stalling.js';
import { serveTls } from './support/tls.js';

const modules = {
  echo: { echo: () => 'here', later: () => new Promise((done) => setTimeout(done, 50)) },
};

const text = (bytes: Buffer): string => bytes.toString('latin1');
const replaced = (from: string, to: string): Buffer =>
  Buffer.from(text(make()).replace(from, to), 'latin1');

const malformed: Readonly<Record<string, () => Buffer>> = {
  'a bare LF': () => replaced('\r\naccept:', '\naccept:'),
  'a bare LF at the end': () => replaced('\r\n\r\n', '\r\n\n'),
  'a fragment': () => withTarget('/backwater/1/echo/echo/0#x'),
  'a repeated content-length': () => withLine('content-length: 2\r\n'),
  chunks: () => withLine('transfer-encoding: chunked\r\n'),
  'no host': () => replaced('host: x\r\n', ''),
  'two hosts': () => withLine('host: x\r\n'),
};

for (const [name, build] of Object.entries(malformed)) {
  test(`${name}: earlier requests are answered, later ones are not`, async (t) => {
    const server = await serve(t, modules);
    for (const target of ['/backwater/1/echo/echo/0', '/backwater/1/echo/later/0']) {
      const bytes = Buffer.concat([make({ target }), build(), make()]);
      const { answers, closed } = await exchangeRaw(server.port, bytes);
      t.deepEqual(
        answers.map(({ status }) => status),
        [200, 400],
      );
      t.is(answers[1]!.headers.get('connection'), 'close');
      t.true(closed);
    }
    t.is(server.stats().pending, 0);
  });

  test(`${name}: gets a 400 at once, in whatever pieces it arrives`, async (t) => {
    const server = await serve(t, modules, { headersTimeout: 600_000 });
    const bytes = build();
    const head = bytes.subarray(0, text(bytes).search(/\r?\n\r?\n/) + 4);
    const socket = dial(server.port, '127.0.0.1').setNoDelay(true);
    t.teardown(() => socket.destroy());
    socket.on('error', () => {});
    await once(socket, 'connect');
    const answered = once(socket, 'data');
    for (const byte of head) {
      socket.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    t.is(text((await answered)[0] as Buffer).split(' ')[1], '400');
  });
}

test('an unauthenticated peer keeps a connection for at most headersTimeout', async (t) => {
  const headersTimeout = 500;
  const server = await serve(t, modules, { headersTimeout, health: '/healthz' });
  const health = 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n';
  for (const [request, status] of [
    [health.repeat(10), 200],
    ['GET / HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(10), 404],
    [text(requestBytes(signedRequest('another secret, of thirty-two bytes'))).repeat(10), 401],
    ['GET / HTTP/1.1\r\n\r\n'.repeat(10), 400],
  ] as const) {
    const { answers, closed } = await exchangeRaw(server.port, Buffer.from(request, 'latin1'));
    t.deepEqual(
      answers.map((answer) => answer.status),
      [status],
    );
    t.is(answers[0]!.headers.get('connection'), 'close');
    t.true(closed);
  }
  for (const send of ['', '\r\n', 'G']) {
    const socket = dial(server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    const closed = once(socket, 'close');
    const timer = setInterval(() => socket.write(send), 20);
    await closed;
    clearInterval(timer);
  }
  await eventually('no connection is left', () => server.stats().connections === 0);
  t.pass();
});

test('headersTimeout includes a slow TLS handshake', async (t) => {
  const authority = new Authority();
  t.teardown(() => authority.remove());
  const server = await serveTls(t, modules, { tls: authority.server(), headersTimeout: 2000 });
  const closed: string[] = [];
  const connectSilently = async (name: string, pause: number): Promise<void> => {
    const socket = dial(server.port, '127.0.0.1');
    await once(socket, 'connect');
    await sleep(pause);
    const secured = dialTls({ socket, rejectUnauthorized: false });
    secured.on('error', () => {});
    secured.resume();
    await once(secured, 'close');
    closed.push(name);
  };
  const slow = connectSilently('slow', 1600);
  await sleep(800);
  await Promise.all([slow, connectSilently('fast', 0)]);
  t.deepEqual(closed, ['slow', 'fast']);
});

test('an authenticated caller keeps its connection until a health check ends it', async (t) => {
  const server = await serve(t, modules, { headersTimeout: 300, health: '/healthz' });
  const client = connect(t, server);
  t.is(await client.call('echo', 'echo'), 'here');
  await new Promise((resolve) => setTimeout(resolve, 900));
  t.is(await client.call('echo', 'echo'), 'here');
  t.is(server.stats().connections, 1);
  const answers = await exchangeRaw(
    server.port,
    Buffer.concat([make(), Buffer.from('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'), make()]),
  );
  t.deepEqual(
    answers.answers.map(({ status }) => status),
    [200, 200],
  );
  t.true(answers.closed);
});

async function halfClose(socket: Socket, target: string): Promise<string> {
  socket.end(requestBytes(signedRequest(secret, { target })));
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return text(Buffer.concat(chunks));
}

test('a caller that half-closes its connection gets its answer', async (t) => {
  const clear = await serve(t, modules);
  const authority = new Authority();
  t.teardown(() => authority.remove());
  const tls = await serveTls(t, modules, { tls: authority.server() });
  const address = { host: '127.0.0.1', allowHalfOpen: true };
  for (const name of ['echo', 'later']) {
    const target = `/backwater/1/echo/${name}/0`;
    const socket = dial({ port: clear.port, ...address });
    t.regex(await halfClose(socket, target), /^HTTP\/1\.1 200 /);
    const secure = dialTls({ port: tls.port, ...address, rejectUnauthorized: false });
    await once(secure, 'secureConnect');
    t.regex(await halfClose(secure, target), /^HTTP\/1\.1 200 /);
  }
});
