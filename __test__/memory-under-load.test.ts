import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { encode } from '../src/index.js';
import {
  countsOf,
  emptyLists,
  gzipped,
  MIB,
  nextStatus,
  request,
  send,
  startLoaded,
  startLoadedClient,
  statusOf,
} from './support/load.js';
import { PATIENT, serve } from './support/rpc.js';
import { eventually } from './support/stalling.js';

// The memory of a server under many of the largest messages. Growth, in MiB, includes garbage, up
// to 512 MiB with V8's default heap, so these processes have a small heap.

const HEAP = ['--max-old-space-size=160'];

/** Only Linux reports peak memory. */
const measured = process.platform === 'linux' ? test.serial : test.serial.skip;

function statusesOf(port: number, call: Buffer, count: number): Promise<Record<number, number>> {
  return countsOf(Array.from({ length: count }, () => statusOf(port, call)));
}

const SIZE = 2 * MIB;
const kinds: Record<string, () => Buffer> = {
  binary: () => encode([Buffer.alloc(SIZE - 100, 255)]),
  text: () => encode(['x'.repeat(SIZE - 100)]),
  records: () => encode([Array.from({ length: 13_000 }, (_, index) => record(index))]),
  'empty lists': () => emptyLists(SIZE / 4 - 100),
};

function record(index: number): object {
  return {
    id: index,
    name: `Person Number ${index}`,
    email: `person.${index}@example.com`,
    active: index % 3 !== 0,
    score: index + 0.1,
    tags: ['alpha', 'beta'],
  };
}

function padded(zipped: Buffer, padding: number): Buffer {
  const head = Buffer.from(zipped.subarray(0, 10));
  head[3] = 8;
  return Buffer.concat([head, Buffer.alloc(padding, 'n'), Buffer.of(0), zipped.subarray(10)]);
}

for (const [kind, make] of Object.entries(kinds)) {
  measured(`2, 16 and 64 concurrent calls with ${kind} stay within maxBytesInFlight`, async (t) => {
    const args = make();
    const options = { maxEncodedArgsSize: SIZE, maxBytesInFlight: 16 * MIB, time: 50 };
    for (const count of [2, 16, 64]) {
      const server = await startLoaded(t, { ...options, recvTimeout: 120_000 }, HEAP);
      const call = request('later', args, kind === 'empty lists');
      t.deepEqual(await statusesOf(server.port, call, count), { 200: count });
      t.log(count, server.growth());
      // Garbage of earlier values may fill the heap.
      const most = kind === 'empty lists' ? 300 : 140;
      t.true(server.growth() < most, String(server.growth()));
    }
  });
}

measured('2, 16 and 64 concurrent results stay within maxBytesInFlight', async (t) => {
  const options = { maxEncodedResultSize: SIZE, maxBytesInFlight: 16 * MIB, time: 50 };
  for (const count of [2, 16, 64]) {
    const server = await startLoaded(t, { ...options, recvTimeout: 120_000 }, HEAP);
    const call = request('makeLater', [SIZE - 100]);
    t.deepEqual(await statusesOf(server.port, call, count), { 200: count });
    t.log(count, server.growth());
    t.true(server.growth() < 140, String(server.growth()));
  }
});

measured('compressed arguments are not inflated before memory is available', async (t) => {
  for (const [recvTimeout, expected] of [
    [120_000, [200]],
    [500, [200, 503]],
  ] as const) {
    const server = await startLoaded(t, { maxBytesInFlight: 16 * MIB, recvTimeout }, HEAP);
    const blocked = statusOf(server.port, request('block', [1500]));
    const bomb = request('size', [Buffer.alloc(8 * MIB - 100)], true);
    const statuses = await statusesOf(server.port, bomb, 60);
    t.is(await blocked, 200);
    t.log(statuses, server.growth());
    t.deepEqual(
      Object.keys(statuses).filter((status) => !expected.includes(Number(status) as never)),
      [],
    );
    t.true(server.growth() < 300, String(server.growth()));
  }
});

for (const padding of [0, 20_000, 300_000]) {
  measured(
    `arguments that gzip makes ${padding} bytes longer exceed the memory by at most one message`,
    async (t) => {
      const options = { maxBytesInFlight: 16 * MIB, recvTimeout: 120_000, time: 100 };
      const server = await startLoaded(t, options, HEAP);
      const body = padded(gzipSync(encode([Buffer.alloc(8 * MIB - 100, 255)])), padding);
      const calls = statusesOf(server.port, gzipped('later', body), 64);
      let [most, settled] = [0, false];
      void calls.then(() => (settled = true));
      while (!settled) {
        most = Math.max(most, (await server.stats()).bytesInFlight);
        await setTimeout(20);
      }
      t.deepEqual(await calls, { 200: 64 });
      t.log(most / MIB, server.growth());
      // Inflated and decoded bodies count five times.
      t.true(most <= 16 * MIB + 5 * 8 * MIB + body.length, String(most));
      t.true(server.growth() < 200, String(server.growth()));
    },
  );
}

measured('abandoned calls exceed the memory by at most one message', async (t) => {
  const options = { maxBytesInFlight: 16 * MIB, recvTimeout: 500 };
  const server = await startLoaded(t, options, HEAP);
  const call = request('never', [Buffer.alloc(4 * MIB)], true);
  let refused = 0;
  for (let round = 0; round < 16; round++) {
    const { calls } = await server.stats();
    const socket = send(server.port, call);
    let status = 0;
    void nextStatus(socket).then((refusal) => (status = refusal));
    await eventually(
      'it runs or is refused',
      async () => status === 503 || (await server.stats()).calls > calls,
    );
    if (status === 503) refused++;
    socket.resetAndDestroy();
    await eventually('it has ended', async () => (await server.stats()).pending === 0);
  }
  const { bytesInFlight, abandoned } = await server.stats();
  t.is(abandoned + refused, 16);
  t.true(bytesInFlight <= 16 * MIB + 5 * 4 * MIB, String(bytesInFlight));
  t.is(await statusOf(server.port, request('ok', [])), 200);
});

measured('values count with their size in V8 until their function settles', async (t) => {
  const server = await startLoaded(t, { time: 50 }, ['--max-old-space-size=400']);
  const lists = request('later', emptyLists(2 * MIB), true);
  const { 200: served = 0, 503: refused = 0 } = await statusesOf(server.port, lists, 24);
  t.log(served, refused, server.growth());
  t.is(served + refused, 24);
  t.true(served > 0);
  t.false(server.hasEnded());
});

measured('a value that the heap may be too small for is refused', async (t) => {
  const server = await startLoaded(t, {}, ['--max-old-space-size=128']);
  t.is(await statusOf(server.port, request('size', emptyLists(8 * MIB - 100), true)), 413);
  t.is(await statusOf(server.port, request('size', emptyLists(MIB), true)), 200);
  t.false(server.hasEnded());
});

for (const name of ['make', 'makeLater']) {
  measured(`unread results of ${name} block others until they are gone`, async (t) => {
    const server = await startLoaded(t, {
      maxBytesInFlight: 32 * MIB,
      recvTimeout: 1000,
      sendTimeout: 3000,
      time: 100,
    });
    const call = request(name, [8 * MIB - 100]);
    const sockets = Array.from({ length: 150 }, () => send(server.port, call));
    const { 200: served = 0, 503: refused = 0 } = await countsOf(sockets.map(nextStatus));
    t.log(served, refused, server.growth());
    t.is(served + refused, 150);
    t.true(served > 0);
    t.true(server.growth() < 250, String(server.growth()));
    // Functions continue, including this one once `sendTimeout` has reset the connections that do
    // not read.
    t.is(await statusOf(server.port, request('ok', [])), 200);
    await eventually('the memory is free', async () => (await server.stats()).bytesInFlight === 0);
    t.is(await statusOf(server.port, call), 200);
    for (const socket of sockets) socket.destroy();
  });
}

for (const [kind, result] of Object.entries({
  binary: Buffer.alloc(SIZE - 100, 255),
  text: 'x'.repeat(SIZE - 100),
})) {
  measured(`2, 16 and 64 answers with ${kind} stay within the client's limit`, async (t) => {
    const server = await serve(t, { m: { result: () => result } }, { maxBytesInFlight: Infinity });
    const options = { maxEncodedResultSize: SIZE, maxBytesInFlight: 16 * MIB, ...PATIENT };
    for (const count of [2, 16, 64]) {
      const client = await startLoadedClient(t, server.url, options, HEAP);
      t.is(await client.call(count), count);
      t.log(count, client.growth());
      t.true(client.growth() < 140, String(client.growth()));
    }
  });
}

measured('a connection takes at most 32 KB plus twice maxHeaderSize', async (t) => {
  const COUNT = 2000;
  for (const [maxHeaderSize, most] of [
    [16 * 1024, 32_000 + 2 * 16 * 1024],
    [64 * 1024, 32_000 + 2 * 64 * 1024],
  ] as const) {
    const server = await startLoaded(t, {
      maxHeaderSize,
      headersTimeout: 600_000,
      keepAliveTimeout: 600_000,
    });
    const call = request('ok', []);
    const sockets: Socket[] = [];
    for (let index = 0; index < COUNT; index++) {
      const socket = send(server.port, call);
      t.is(await nextStatus(socket), 200);
      sockets.push(socket);
    }
    t.is((await server.stats()).connections, COUNT);
    const idle = (server.growth() * MIB) / COUNT;
    t.true(idle < 25_000, String(idle));
    const start = `POST /x HTTP/1.1\r\nhost: x\r\nx: `.padEnd(maxHeaderSize - 100, 'x');
    await Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.write(start, resolve))),
    );
    t.is(await statusOf(server.port, call), 200);
    const busy = (server.growth() * MIB) / COUNT;
    t.log(idle, busy);
    t.true(busy < most, String(busy));
    for (const socket of sockets) socket.destroy();
  }
});

const sparse = (count: number): Buffer =>
  encode([Array.from({ length: count }, (_, index) => ({ [1000 + index]: 1, [3000 + index]: 2 }))]);

for (const [args, state] of [
  [emptyLists(400), 'runs'],
  [sparse(90), 'runs with sparse objects'],
  [emptyLists(3200), 'waits for room'],
  [emptyLists(16_000), 'waits to be decoded'],
] as const) {
  measured(`a small call takes at most 200 KiB while it ${state}`, async (t) => {
    const CALLS = 1000;
    // Small calls run even when next to nothing may be in flight.
    const options = { time: 20_000, recvTimeout: 20_000, maxBytesInFlight: 200_000 };
    const server = await startLoaded(t, options, HEAP);
    const call = request('later', args);
    const sockets = Array.from({ length: CALLS }, () => send(server.port, call));
    await eventually('calls are pending', async () => (await server.stats()).pending === CALLS);
    const bytes = (server.growth() * MIB) / CALLS;
    t.log(bytes);
    t.true(bytes < 200 * 1024, String(bytes));
    for (const socket of sockets) socket.resetAndDestroy();
  });
}
