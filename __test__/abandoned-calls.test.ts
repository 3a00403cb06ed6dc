import test from 'ava';
import { type LoadedServer, request, send, startLoaded, statusOf } from './support/load.js';
import { eventually } from './support/stalling.js';

async function abandon(
  server: LoadedServer,
  count: number,
  whileTheyRun?: () => Promise<void>,
): Promise<void> {
  for (let { abandoned } = await server.stats(); abandoned < count;) {
    const missing = count - abandoned;
    const sockets = Array.from({ length: missing }, () =>
      send(server.port, request('never', ['x'])),
    );
    await eventually('they run', async () => (await server.stats()).pending === missing);
    if (missing === count) await whileTheyRun?.();
    for (const socket of sockets) socket.resetAndDestroy();
    await eventually('they end', async () => (await server.stats()).pending === 0);
    ({ abandoned } = await server.stats());
  }
}

for (const workers of [0, 2]) {
  test(`functions that never settle free their places with ${workers} workers`, async (t) => {
    const server = await startLoaded(t, { maxCallsInFlight: 4, workers });
    await abandon(server, 4, async () => {
      t.is(await statusOf(server.port, request('ok', [])), 503);
    });
    for (let round = 0; round < 10; round++) {
      t.is(await statusOf(server.port, request('ok', [])), 200);
    }
  });
}

test('functions that settle after their callers have gone are no longer counted', async (t) => {
  const server = await startLoaded(t);
  const args = [Buffer.alloc(100_000, 255)];
  const socket = send(server.port, request('held', args));
  await eventually('it runs', async () => (await server.stats()).pending === 1);
  socket.resetAndDestroy();
  await eventually('it is abandoned', async () => (await server.stats()).abandoned === 1);
  t.true((await server.stats()).bytesInFlight >= 100_000);
  t.is(await statusOf(server.port, request('release', [])), 200);
  await eventually('it has settled', async () => {
    const { abandoned, bytesInFlight } = await server.stats();
    return abandoned === 0 && bytesInFlight === 0;
  });
});

test('calls are refused when abandoned calls use too much memory', async (t) => {
  const server = await startLoaded(t, { maxCallsInFlight: 8, maxBytesInFlight: 64 * 1024 });
  for (let count = 1; count <= 9; count++) await abandon(server, count);
  t.is(await statusOf(server.port, request('ok', [])), 503);
});
