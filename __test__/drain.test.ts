import test from 'ava';
import { call, ConnectError, startTlsServer } from '../src/index.js';
import { Authority } from './support/certificates.js';
import { connect, PATIENT, secret, serve } from './support/rpc.js';

const modules = { m: { echo: (value: unknown) => value } };

test('the health check needs no signature and fails while the server drains', async (t) => {
  const server = await serve(t, modules, { health: '/healthz' });
  const ask = (method = 'GET'): Promise<Response> => fetch(`${server.url}/healthz`, { method });
  const well = await ask();
  t.is(well.status, 200);
  t.is(well.headers.get('content-type'), 'text/plain');
  t.is(well.headers.get('cache-control'), 'no-store');
  t.is(await well.text(), 'ok\n');
  t.is((await ask('HEAD')).status, 200);
  t.is((await ask('POST')).status, 405);
  t.is(server.stats().calls, 0);

  const client = connect(t, server);
  t.is(await client.call('m', 'echo', [1]), 1);
  const closed = server.close({ drainDelay: 600_000 });
  const leaving = await ask();
  t.is(leaving.status, 503);
  t.is(await leaving.text(), 'draining\n');
  t.is(leaving.headers.get('connection'), 'close');
  for (let count = 0; count < 5; count++) t.is(await client.call('m', 'echo', [count]), count);
  t.is(server.stats().calls, 6);

  // With options, closing again hastens the end; without, it only waits.
  const again = server.close();
  t.is((await ask()).status, 503);
  await server.close({ timeout: 0 });
  await Promise.all([closed, again]);
  await t.throwsAsync(ask());
});

test('running calls may finish after the delay, within the timeout', async (t) => {
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const { promise: begun, resolve: begin } = deferred();
  const server = await serve(t, {
    m: {
      async wait() {
        begin();
        await finished;
        return 'done';
      },
      quick: () => 'quick',
    },
  });
  const client = connect(t, server);
  const waiting = client.call('m', 'wait');
  await begun;
  const closed = server.close({ drainDelay: 10, timeout: 600_000 });
  await t.throwsAsync(
    (async () => {
      for (;;) await call({ url: server.url, secret, ...PATIENT }, 'm', 'quick');
    })(),
    { instanceOf: ConnectError },
  );
  finish();
  t.is(await waiting, 'done');
  await closed;
});

test('a server with TLS drains in the same way', async (t) => {
  const authority = new Authority();
  t.teardown(() => authority.remove());
  const server = await startTlsServer(secret, modules, {
    host: '127.0.0.1',
    port: 0,
    tls: authority.server(),
    health: '/up',
  });
  const client = connect(t, server, { tls: { ca: authority.cert } });
  t.is(await client.call('m', 'echo', [1]), 1);
  const closed = server.close({ drainDelay: 600_000 });
  for (let count = 0; count < 5; count++) t.is(await client.call('m', 'echo', [count]), count);
  await server.setCertificate(authority.server());
  await server.close({ drainDelay: 0, timeout: 1000 });
  await closed;
});

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}
