import { readFileSync } from 'node:fs';
import { connect as dial, type Socket } from 'node:net';
import { connect as dialSecurely } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { type Client, encode, type Server } from '../src/index.js';
import { Authority } from './support/certificates.js';
import { connect, secret, serve } from './support/rpc.js';
import { requestBytes, signedRequest } from './support/signing.js';
import { serveTls } from './support/tls.js';

// Abandons a thousand connections at each stage, while other calls continue.

const COUNT = 1000;
const LANES = 50;

const modules = { m: { size: (text: string) => text.length } };
const target = '/backwater/1/m/size/1';
const request = requestBytes(signedRequest(secret, { target, body: encode(['x'.repeat(3000)]) }));

const stages: Readonly<Record<string, (socket: Socket, below: Socket, number: number) => void>> = {
  'closed at once': (socket) => socket.destroy(),
  'reset at once': (_socket, below) => below.resetAndDestroy(),
  'closed after garbage': (socket) => socket.end(Buffer.alloc(20, 0xf5), () => socket.destroy()),
  'reset within a request': (socket, below, number) => {
    socket.write(request.subarray(0, number % request.length));
    below.resetAndDestroy();
  },
  'reset after a request': (socket, below) => {
    socket.write(request);
    below.resetAndDestroy();
  },
  'closed after a request for another service': (socket) => {
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    socket.destroy();
  },
};

for (const [what, leave] of Object.entries(stages)) {
  test.serial(`a thousand connections ${what} over plain TCP leave nothing behind`, async (t) => {
    const server = await serve(t, modules);
    await abandon(t, server, connect(t, server), (number) => {
      const socket = dial(server.port, '127.0.0.1');
      return left(socket, 'connect', () => leave(socket, socket, number));
    });
  });
}

const authority = new Authority();
test.after.always(() => authority.remove());
const certificate = authority.server();
const ca = readFileSync(authority.cert);

for (const [what, leave] of Object.entries(stages)) {
  // TLS takes time, so most connections are left before the handshake.
  test.serial(`a thousand connections ${what} over TLS leave nothing behind`, async (t) => {
    const server = await serveTls(t, modules, { tls: certificate });
    const client = connect(t, server, { tls: { ca: authority.cert } });
    await abandon(t, server, client, (number) => {
      const below = dial(server.port, '127.0.0.1');
      if (number % 10 !== 0) return left(below, 'connect', () => leave(below, below, number));
      const socket = dialSecurely({ socket: below, host: '127.0.0.1', ca });
      return left(socket, 'secureConnect', () => leave(socket, below, number));
    });
  });
}

function left(socket: Socket, event: string, leave: () => void): Promise<void> {
  return new Promise((resolve) => {
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.once(event, leave);
  });
}

async function abandon(
  t: ExecutionContext,
  server: Server,
  client: Client,
  one: (number: number) => Promise<void>,
): Promise<void> {
  t.is(await client.call('m', 'size', ['text']), 4);
  const numbers = Array.from({ length: COUNT }, (_, number) => number).values();
  let isOver = false;
  const lane = async (): Promise<void> => {
    for (const number of numbers) await one(number);
  };
  const calling = async (): Promise<number> => {
    let calls = 0;
    for (; !isOver; calls++) t.is(await client.call('m', 'size', ['text']), 4);
    return calls;
  };
  const calls = calling();
  await Promise.all(Array.from({ length: LANES }, lane));
  isOver = true;
  t.true((await calls) > 0);
  while (server.stats().connections > 1 || server.stats().pending > 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  t.is(await client.call('m', 'size', ['text']), 4);
}
