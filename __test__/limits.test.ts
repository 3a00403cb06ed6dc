import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as dial, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { encode, RemoteError } from '../src/index.js';
import { connect, secret, serve } from './support/rpc.js';
import { exchangeRaw, requestBytes, signedRequest, type RequestParts } from './support/signing.js';
import { eventually } from './support/stalling.js';

const echo = { echo: { echo: () => 'ok', size: (text: string | Uint8Array) => text.length } };

test.serial('maxConnections: one connection more waits until another ends', async (t) => {
  const server = await serve(t, echo, { maxConnections: 2 });
  const [first, second, third] = [await raw(t, server), await raw(t, server), await raw(t, server)];
  for (const socket of [first, second]) t.is(await statusOf(socket, call()), 200);
  third.write(call());
  t.is(server.stats().connections, 2);
  first.destroy();
  t.is(await nextStatus(third), 200);
});

test.serial('maxCallsInFlight: one call more gets a signed 503 with Retry-After', async (t) => {
  let open = (_value: string): void => {};
  const gate = new Promise<string>((resolve) => (open = resolve));
  const server = await serve(t, { m: { held: () => gate } }, { maxCallsInFlight: 1 });
  const client = connect(t, server);
  const held = client.call('m', 'held');
  while (server.stats().pending < 1) await new Promise(setImmediate);
  const target = '/backwater/1/m/held/0';
  const { answers } = await exchangeRaw(server.port, make({ target }));
  t.is(answers[0]?.status, 503);
  t.is(answers[0]?.headers.get('retry-after'), '1');
  t.regex(answers[0]?.headers.get('signature') ?? '', /headers="[^"]*retry-after/);
  const error = await t.throwsAsync(client.call('m', 'held'), { instanceOf: RemoteError });
  t.is(error?.httpStatus, 503);
  open('done');
  t.is(await held, 'done');
  t.is(await client.call('m', 'held'), 'done');
});

test.serial('maxHeaderSize: a longer head gets 431, in whatever pieces it arrives', async (t) => {
  const server = await serve(t, echo, { maxHeaderSize: 4096 });
  const head = requestBytes(signedRequest(secret)).indexOf('\r\n\r\n') + 4;
  const padded = (size: number): Buffer => {
    const line = `x-padding: ${'x'.repeat(size - head - 'x-padding: \r\n'.length)}\r\n`;
    return withLine(line);
  };
  t.deepEqual(await statuses(server.port, padded(4096), 1), [200]);
  t.deepEqual(await statuses(server.port, padded(4097 + 1024)), [431]);
  const endless = await raw(t, server);
  endless.write(`POST / HTTP/1.1\r\nx: ${'x'.repeat(100_000)}`);
  t.is(await nextStatus(endless), 431);
});

test.serial('maxHeaders: more headers get 431', async (t) => {
  const own = signedRequest(secret).headers.length + 1;
  for (const maxHeaders of [100, 32]) {
    const server = await serve(t, echo, { maxHeaders });
    const lines = (count: number): Buffer =>
      withLine(Array.from({ length: count - own }, (_, index) => `x-${index}: y\r\n`).join(''));
    t.deepEqual(await statuses(server.port, lines(maxHeaders), 1), [200]);
    t.deepEqual(await statuses(server.port, lines(maxHeaders + 1)), [431]);
  }
});

test.serial(
  'headersTimeout: an unfinished head gets 408, and a silent connection is closed',
  async (t) => {
    const server = await serve(t, echo, { headersTimeout: 200 });
    await inTime('a head that does not end is answered', async () => {
      const slow = await raw(t, server);
      slow.write(make().subarray(0, 40));
      return (await nextStatus(slow)) === 408;
    });
    const silent = await raw(t, server);
    t.is(await rest(silent), '');
    const lenient = await serve(t, echo, { headersTimeout: 500, recvTimeout: 60_000 });
    const request = make({ target: '/backwater/1/echo/size/1', body: encode(['text']) });
    await inTime('a body that comes later is taken', async () => {
      const patient = await raw(t, lenient);
      patient.write(request.subarray(0, -2));
      await new Promise((resolve) => setTimeout(resolve, 1500));
      patient.write(request.subarray(-2));
      return (await nextStatus(patient)) === 200;
    });
  },
);

test.serial('recvTimeout: an unfinished body gets a signed 408', async (t) => {
  const server = await serve(t, echo, { recvTimeout: 200, headersTimeout: 30_000 });
  const { answers, closed } = await exchangeRaw(server.port, make().subarray(0, -1));
  t.is(answers[0]?.status, 408);
  t.true(answers[0]?.headers.has('signature'));
  t.true(closed);
});

test.serial('requestTimeout limits head and body together', async (t) => {
  const server = await serve(t, echo, { requestTimeout: 1000, recvTimeout: 60_000 });
  t.deepEqual(await statuses(server.port, make().subarray(0, -1)), [408]);
  await inTime('a whole request is answered', async () => {
    const [status] = await statuses(server.port, make(), 1);
    return status === 200;
  });
});

test.serial('keepAliveTimeout alone determines when an idle connection is closed', async (t) => {
  const short = { headersTimeout: 500, recvTimeout: 500 };
  const server = await serve(t, echo, { keepAliveTimeout: 60_000, ...short });
  await inTime('an idle connection is kept', async () => {
    const socket = await raw(t, server);
    if ((await statusOf(socket, call())) !== 200) return false;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    return (await statusOf(socket, call())) === 200;
  });
  await inTime('half a request is answered', async () => {
    const dripping = await raw(t, server);
    if ((await statusOf(dripping, call())) !== 200) return false;
    dripping.write('POST');
    return (await nextStatus(dripping)) === 408;
  });
  const hasty = await serve(t, echo, { keepAliveTimeout: 200 });
  const idle = await raw(t, hasty);
  t.is(await statusOf(idle, call()), 200);
  t.is(await rest(idle), '');
});

test.serial('sendTimeout: a peer that does not read its answer is disconnected', async (t) => {
  const large = randomBytes(32 * 1024 * 1024);
  const options = { maxEncodedResultSize: 64 * 1024 * 1024 };
  const modules = { m: { large: () => large } };
  const server = await serve(t, modules, { ...options, sendTimeout: 200 });
  const socket = await raw(t, server);
  socket.pause();
  socket.write(make({ target: '/backwater/1/m/large/0' }));
  while (server.stats().calls < 1 || server.stats().connections > 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  t.is(server.stats().pending, 0);
});

test.serial('sendTimeout: a peer that reads its answer may be slow', async (t) => {
  const large = randomBytes(32 * 1024 * 1024);
  const options = { maxEncodedResultSize: 64 * 1024 * 1024, sendTimeout: 2500 };
  const server = await serve(t, { m: { large: () => large } }, options);
  await inTime('all of the answer comes', async () => {
    const socket = await raw(t, server);
    let [received, sinceRest, rests, closed] = [0, 0, 0, false];
    const start = Date.now();
    socket.on('data', (piece: Buffer) => {
      received += piece.length;
      sinceRest += piece.length;
      if (sinceRest < 3_000_000) return;
      sinceRest = 0;
      rests++;
      socket.pause();
      setTimeout(() => socket.resume(), 350);
    });
    socket.on('close', () => (closed = true));
    socket.write(make({ target: '/backwater/1/m/large/0' }));
    await eventually('it ends', () => received > large.length || closed);
    if (closed) return false;
    t.true(Date.now() - start > options.sendTimeout, `${rests} rests`);
    return true;
  });
});

test.serial('a gzip bomb stops at the limit without growing memory', async (t) => {
  const maxEncodedArgsSize = 1024 * 1024;
  const server = await serve(t, echo, { maxEncodedArgsSize });
  const request = (length: number): Buffer => {
    const body = gzipSync(encode([Buffer.alloc(length)]), { level: 9 });
    return make({
      target: '/backwater/1/echo/size/1',
      body,
      headers: { 'content-encoding': 'gzip' },
    });
  };
  const framing = encode([Buffer.alloc(0)]).length;
  t.deepEqual(await statuses(server.port, request(maxEncodedArgsSize - framing), 1), [200]);
  t.deepEqual(await statuses(server.port, request(maxEncodedArgsSize - framing + 1)), [413]);

  const bomb = request(200 * 1024 * 1024);
  t.true(bomb.length < maxEncodedArgsSize);
  const before = process.memoryUsage.rss();
  for (let round = 0; round < 5; round++) t.deepEqual(await statuses(server.port, bomb), [413]);
  t.true(process.memoryUsage.rss() - before < 64 * 1024 * 1024);
});

test.serial(
  'a server requests and reads the body only after authenticating the head',
  async (t) => {
    const server = await serve(t, echo);
    const expecting = { headers: { expect: '100-continue' } };
    const request = make(expecting);
    const split = request.indexOf('\r\n\r\n') + 4;

    const welcome = await raw(t, server);
    welcome.write(request.subarray(0, split));
    t.is(await nextStatus(welcome), 100);
    welcome.write(request.subarray(split));
    t.is(await nextStatus(welcome), 200);

    const stranger = await raw(t, server);
    const forged = requestBytes(signedRequest('another secret, of thirty-two bytes', expecting));
    stranger.write(forged.subarray(0, forged.indexOf('\r\n\r\n') + 4));
    t.is(await nextStatus(stranger), 401);
  },
);

test.serial('memory for a body grows with its bytes, not with its declared length', async (t) => {
  const size = 200 * 1024 * 1024;
  const server = await serve(t, echo, { maxEncodedArgsSize: size });
  const before = process.memoryUsage.rss();
  const sockets = await Promise.all(Array.from({ length: 20 }, () => raw(t, server)));
  for (const socket of sockets) {
    socket.write(make({ headers: { 'content-length': String(size) } }));
  }
  while (server.stats().connections < sockets.length) await new Promise(setImmediate);
  const client = connect(t, server);
  t.is(await client.call('echo', 'echo'), 'ok');
  t.true(process.memoryUsage.rss() - before < 100 * 1024 * 1024);
});

const make = (parts: RequestParts = {}): Buffer => requestBytes(signedRequest(secret, parts));
const call = (): Buffer => make();

function withLine(line: string): Buffer {
  const bytes = make();
  const at = bytes.indexOf('\r\n') + 2;
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(line), bytes.subarray(at)]);
}

/** Retries, because on a busy machine this process itself may write too late for a limit. */
async function inTime(what: string, attempt: () => Promise<boolean>): Promise<void> {
  await eventually(what, () => attempt().catch(() => false));
}

async function statuses(port: number, bytes: Buffer, keepsOpen?: number): Promise<number[]> {
  const { answers } = await exchangeRaw(port, bytes, keepsOpen);
  return answers.map(({ status }) => status);
}

async function raw(t: ExecutionContext, server: { port: number }): Promise<Socket> {
  const socket = dial(server.port, '127.0.0.1');
  socket.on('error', () => {});
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function statusOf(socket: Socket, request: Buffer): Promise<number> {
  socket.write(request);
  return await nextStatus(socket);
}

async function nextStatus(socket: Socket): Promise<number> {
  const closed = once(socket, 'close').then(() => {
    throw new Error('the connection was closed without an answer');
  });
  const [chunk] = (await Promise.race([once(socket, 'data'), closed])) as [Buffer];
  return Number(chunk.toString('latin1').split(' ')[1]);
}

async function rest(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('latin1');
}
