import { connect as connectSocket, type Socket } from 'node:net';
import test from 'ava';
import { encodeRequest, QueueFullError, RemoteError } from '../src/index.js';
import { connect, secret, serve } from './support/rpc.js';
import { eventually } from './support/stalling.js';

const MEBIBYTE = 1024 * 1024;

function held(): { hold: (value: unknown) => Promise<number>; release: () => void } {
  let release!: () => void;
  const ended = new Promise<void>((resolve) => (release = resolve));
  return {
    hold: async (_value) => {
      await ended;
      return 1;
    },
    release: () => release(),
  };
}

test("arguments of a client's calls take at most maxBytesInFlight", async (t) => {
  const { hold, release } = held();
  const server = await serve(t, { m: { hold, echo: (value: unknown) => value } });
  const client = connect(t, server, { maxBytesInFlight: MEBIBYTE, binaries: 'buffer' });
  const half = Buffer.alloc(MEBIBYTE / 2 - 1000);
  const calls = [client.call('m', 'hold', [half]), client.call('m', 'hold', [half])];
  const error = await t.throwsAsync(client.call('m', 'hold', [Buffer.alloc(2000)]), {
    instanceOf: QueueFullError,
    message: /more than 1048576 bytes \(option maxBytesInFlight\)/,
  });
  t.is(error.option, 'maxBytesInFlight');
  t.is(error.limit, MEBIBYTE);
  release();
  t.deepEqual(await Promise.all(calls), [1, 1]);
  t.true(half.equals(await client.call<Buffer>('m', 'echo', [half])));
  const large = Buffer.alloc(3 * MEBIBYTE, 5);
  t.true(large.equals(await client.call<Buffer>('m', 'echo', [large])));
});

test('arguments wait on the network until the server has room', async (t) => {
  const server = await serve(
    t,
    { m: { size: (value: Uint8Array) => value.length } },
    { maxBytesInFlight: MEBIBYTE, binaries: 'buffer', recvTimeout: 60_000 },
  );
  const client = connect(t, server, { compressionThreshold: Infinity });
  const sizes = Array.from({ length: 40 }, (_, index) => 100_000 * (1 + (index % 12)));
  const values = await Promise.all(
    sizes.map((size) => client.call('m', 'size', [Buffer.alloc(size, 1)])),
  );
  t.deepEqual(values, sizes);
  t.is(server.stats().pending, 0);
});

test('results larger than maxBytesInFlight are still sent', async (t) => {
  const server = await serve(
    t,
    { m: { make: (size: number) => Buffer.alloc(size, 7) } },
    { maxBytesInFlight: 100_000 },
  );
  const client = connect(t, server, { binaries: 'buffer' });
  const values = await Promise.all(
    Array.from({ length: 20 }, () => client.call<Buffer>('m', 'make', [1_000_000])),
  );
  for (const value of values) t.is(value.length, 1_000_000);
  t.is(await client.call<Buffer>('m', 'make', [5]).then(({ length }) => length), 5);
});

test('large arguments that find no room in time are refused, small ones are not', async (t) => {
  // A peer that does not read the answer keeps its memory.
  const server = await serve(
    t,
    {
      m: {
        make: (size: number) => Buffer.alloc(size, 7),
        size: (value: Uint8Array) => value.length,
      },
    },
    {
      maxBytesInFlight: 100_000,
      binaries: 'buffer',
      recvTimeout: 1000,
      // A timeout would free the memory.
      sendTimeout: Infinity,
      compressionThreshold: Infinity,
    },
  );
  const request = encodeRequest({ url: server.url, secret }, 'm', 'make', [8_000_000]);
  const { pathname, host } = new URL(request.url);
  const lines = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`);
  const head = `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\n${lines.join('\r\n')}\r\n\r\n`;
  const sockets: Socket[] = [];
  const leave = (): void => sockets.forEach((socket) => socket.destroy());
  t.teardown(leave);
  // On a busy machine the request may come too late for `recvTimeout`.
  await eventually('a call begins whose answer stays unread', async () => {
    const socket = connectSocket(server.port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => {}).pause();
    socket.write(Buffer.concat([Buffer.from(head), request.body]));
    await new Promise((resolve) => socket.once('readable', resolve).once('close', resolve));
    return server.stats().calls > 0;
  });
  const client = connect(t, server, { compressionThreshold: Infinity });
  let refusal: unknown;
  await eventually('there is no room', async () => {
    refusal = await client.call('m', 'size', [Buffer.alloc(50_000)]).catch((error) => error);
    return refusal instanceof RemoteError && refusal.httpStatus !== 408;
  });
  t.like(refusal, { httpStatus: 503, reason: 'overloaded' });
  t.is(await client.call('m', 'size', [Buffer.alloc(10_000)]), 10_000);
  leave();
  await eventually('there is room again', async () => {
    const size = await client.call('m', 'size', [Buffer.alloc(50_000)]).catch(() => undefined);
    return size === 50_000;
  });
});
