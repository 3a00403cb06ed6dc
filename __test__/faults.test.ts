import test from 'ava';
import { BackwaterError, ConnectError, TimeoutError } from '../src/index.js';
import { nobody } from './support/fleet.js';
import { connect, serve, tcpServer } from './support/rpc.js';

test('a refused connection is a ConnectError that names the server', async (t) => {
  const server = await nobody(t);
  const client = connect(t, server);
  const error = await t.throwsAsync(client.call('m', 'f'), { instanceOf: ConnectError });
  t.true(error!.message.includes(`127.0.0.1:${server.port}`), error!.message);
  t.is(error!.code, 'ERR_BACKWATER_CONNECT');
});

test('an unknown host is a ConnectError', async (t) => {
  const client = connect(t, { url: 'http://does-not-exist.invalid:1' });
  await t.throwsAsync(client.call('m', 'f'), { instanceOf: ConnectError });
});

// The kernel refuses TCP to multicast addresses, so nothing leaves the machine.
for (const url of ['http://224.0.0.1:8080', 'https://224.0.0.1:8443', 'http://[ff02::1]:8080']) {
  test(`an unreachable network is a ConnectError, and other servers are used: ${url}`, async (t) => {
    const client = connect(t, { url });
    const error = await t.throwsAsync(client.call('m', 'f'), { instanceOf: ConnectError });
    t.regex(error!.message, /unreachable/);
    t.true(error!.message.includes(new URL(url).host), error!.message);
    t.is(client.stats().pending, 0);
    const server = await serve(t, { m: { f: () => 'reached' } });
    const both = connect(t, server, { url: [url, server.url] });
    for (let count = 0; count < 4; count++) t.is(await both.call('m', 'f'), 'reached');
  });
}

for (const [what, bytes] of [
  ['garbage', 'this is not HTTP\r\n\r\n'],
  ['binary garbage', Buffer.from(Array.from({ length: 300 }, (_, index) => index % 256))],
  ['half a head', 'HTTP/1.1 200 OK\r\ncontent-'],
  ['half a body', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'],
  ['nothing', ''],
] as const) {
  test(`a peer that answers ${what} and hangs up fails the call before its timeout`, async (t) => {
    const server = await tcpServer(t, (socket) => {
      socket.once('data', () => socket.end(bytes));
    });
    const client = connect(t, server);
    const error = await t.throwsAsync(client.call('m', 'f'), { instanceOf: BackwaterError });
    t.false(error instanceof TimeoutError, String(error));
  });

  test(`a peer that answers ${what} and stalls fails the call`, async (t) => {
    const server = await tcpServer(t, (socket) => {
      socket.once('data', () => socket.write(bytes));
    });
    const client = connect(t, server, { recvTimeout: 100 });
    await t.throwsAsync(client.call('m', 'f'), { instanceOf: BackwaterError });
  });
}

test('a peer that resets the connection fails the call', async (t) => {
  const server = await tcpServer(t, (socket) => {
    socket.once('data', () => socket.resetAndDestroy());
  });
  await t.throwsAsync(connect(t, server).call('m', 'f'), { instanceOf: BackwaterError });
});

test('a closing server fails a running call', async (t) => {
  const server = await serve(t, { m: { never: () => new Promise(() => {}) } });
  const client = connect(t, server);
  const pending = t.throwsAsync(client.call('m', 'never'), { instanceOf: BackwaterError });
  while (server.stats().pending === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await server.close({ timeout: 1 });
  await pending;
});

test('a client that sends its request too slowly is disconnected', async (t) => {
  const { connect: connectTcp } = await import('node:net');
  const server = await serve(t, { m: { f: () => 1 } }, { recvTimeout: 100 });
  for (const start of ['', 'POST /backwater/1/m/f/0 HTTP/1.1\r\nhost: x\r\n']) {
    const socket = connectTcp(server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(start);
    socket.resume();
    const dripping = setInterval(() => socket.write('x'), 20);
    await new Promise<void>((resolve) => socket.on('close', () => resolve()));
    clearInterval(dripping);
  }
  t.is(await connect(t, server).call('m', 'f'), 1);
});
