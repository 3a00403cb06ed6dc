import test from 'ava';
import {
  countsOf,
  emptyLists,
  MIB,
  nextStatus,
  request,
  send,
  startLoaded,
  statusOf,
} from './support/load.js';
import { eventually } from './support/stalling.js';

// What messages of the largest size make a server hold, many of them at once. Growth is in MiB; V8 and
// the allocator take memory by larger pieces than they need, and give it back late.

/** The kernel of Linux says how much memory a process had at most; others do not. */
const measured = process.platform === 'linux' ? test.serial : test.serial.skip;

measured('compressed arguments are not inflated before there is room for them', async (t) => {
  const server = await startLoaded(t, { maxBytesInFlight: 16 * MIB, recvTimeout: 1000 });
  const blocked = statusOf(server.port, request('block', [3000]));
  const bomb = request('size', [Buffer.alloc(8 * MIB - 100)], true);
  const statuses = await countsOf(Array.from({ length: 200 }, () => statusOf(server.port, bomb)));
  t.is(await blocked, 200);
  t.log(statuses, server.growth());
  t.is((statuses[200] ?? 0) + (statuses[503] ?? 0), 200);
  t.true(server.growth() < 100);
});

measured('values count as what they take in V8 until their function has settled', async (t) => {
  const server = await startLoaded(t, { time: 50 }, ['--max-old-space-size=400']);
  const lists = request('later', emptyLists(2 * MIB), true);
  const statuses = await countsOf(Array.from({ length: 24 }, () => statusOf(server.port, lists)));
  t.log(statuses, server.growth());
  t.false(server.hasEnded());
  t.is((statuses[200] ?? 0) + (statuses[503] ?? 0), 24);
});

for (const name of ['make', 'makeLater']) {
  measured(`results of ${name} that nobody reads hold further ones up until they go`, async (t) => {
    const server = await startLoaded(t, {
      maxBytesInFlight: 32 * MIB,
      recvTimeout: 1000,
      sendTimeout: 3000,
      time: 100,
    });
    const call = request(name, [8 * MIB - 100]);
    const sockets = Array.from({ length: 150 }, () => send(server.port, call));
    const statuses = await countsOf(sockets.map(nextStatus));
    t.log(statuses, server.growth());
    t.is((statuses[200] ?? 0) + (statuses[503] ?? 0), 150);
    t.true(statuses[200]! >= 2 && statuses[200]! <= 10);
    t.true(server.growth() < 150);
    // Others are served, and so is everybody once `sendTimeout` has cut those that do not read.
    t.is(await statusOf(server.port, request('ok', [])), 200);
    await eventually('the memory is free', async () => (await server.stats()).bytesInFlight === 0);
    t.is(await statusOf(server.port, call), 200);
    for (const socket of sockets) socket.destroy();
  });
}

for (const workers of [0, 2]) {
  measured(
    `functions that never settle give their places back, with ${workers} workers`,
    async (t) => {
      const server = await startLoaded(t, { maxCallsInFlight: 4, workers } as never);
      const sockets = Array.from({ length: 4 }, () => send(server.port, request('never', ['x'])));
      await eventually('they run', async () => (await server.stats()).pending === 4);
      t.is(await statusOf(server.port, request('ok', [])), 503);
      for (const socket of sockets) socket.destroy();
      await eventually('their places are free', async () => (await server.stats()).pending === 0);
      t.is((await server.stats()).abandoned, 4);
      for (let round = 0; round < 10; round++) {
        t.is(await statusOf(server.port, request('ok', [])), 200);
      }
    },
  );
}
