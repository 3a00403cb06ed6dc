import { connect as connectTcp } from 'node:net';
import test from 'ava';
import {
  Client,
  decodeResponse,
  encodeRequest,
  OptionError,
  RemoteError,
  startClearServer,
  type Server,
} from '../src/index.js';
import { erlangAvailable, startErlangClient, startErlangServer } from './interop/erlang.js';
import { connect, PATIENT, secret, serve, tcpServer } from './support/rpc.js';
import { exchangeRaw, requestBytes, signedRequest, type RequestParts } from './support/signing.js';

const modules = { echo: { echo: () => 'here' } };
const withErlang = erlangAvailable() ? test : test.skip;

async function answerTo(server: Server, parts: RequestParts): Promise<[number, string]> {
  const request = signedRequest(secret, parts);
  const { answers } = await exchangeRaw(server.port, requestBytes(request), 1);
  const { status, headers, body } = answers[0]!;
  const context = { secret, requestId: request.requestId };
  try {
    return [200, decodeResponse<string>(context, { status, headers: [...headers], body })];
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error;
    return [status, error.reason ?? ''];
  }
}

const created = (milliseconds: number | string, audience?: string): RequestParts => ({
  headers: {
    'x-backwater-created': String(milliseconds),
    ...(audience === undefined ? {} : { 'x-backwater-audience': audience }),
  },
});

test('a request is accepted once', async (t) => {
  const server = await serve(t, modules, { replayProtection: 'require' });
  const target = { url: server.url, secret, replayProtection: true };
  const { url, method, headers, body, requestId } = encodeRequest(target, 'echo', 'echo', []);
  t.regex(headers['x-backwater-created']!, /^\d{13}$/);
  const send = async (): Promise<string> => {
    const response = await fetch(url, { method, headers, body });
    return decodeResponse<string>(
      { secret, requestId },
      {
        status: response.status,
        headers: response.headers,
        body: new Uint8Array(await response.arrayBuffer()),
      },
    );
  };
  t.is(await send(), 'here');
  for (let again = 0; again < 3; again++) {
    const error = await t.throwsAsync(send, { instanceOf: RemoteError });
    t.is(error!.httpStatus, 401);
    t.is(error!.reason, 'replayed_request');
  }
});

test('a request that arrives twice at the same time is accepted once', async (t) => {
  const server = await serve(t, modules, { replayProtection: 'prefer' });
  const bytes = requestBytes(signedRequest(secret, created(Date.now())));
  const exchanges = await Promise.all(
    Array.from({ length: 20 }, () => exchangeRaw(server.port, bytes, 1)),
  );
  const statuses = exchanges.map(({ answers }) => answers[0]!.status).sort();
  t.deepEqual(statuses, [200, ...Array<number>(19).fill(401)]);
});

test('refusing a replay closes the connection', async (t) => {
  const server = await serve(t, modules, { replayProtection: 'require' });
  const { answers, closed } = await exchangeRaw(server.port, requestBytes(signedRequest(secret)));
  t.true(closed);
  t.is(answers[0]!.headers.get('connection'), 'close');
  t.is(answers[0]!.body.toString(), 'missing_created');
});

test('clients that timestamp their requests can call repeatedly', async (t) => {
  const server = await serve(t, modules, { replayProtection: 'require', audience: 'echoes' });
  const client = connect(t, server, { replayProtection: true, audience: 'echoes' });
  const calls = Array.from({ length: 200 }, () => client.call('echo', 'echo'));
  t.deepEqual(new Set(await Promise.all(calls)), new Set(['here']));
});

test('timestamps must be recent and later than the start of the server', async (t) => {
  const server = await serve(t, modules, { replayProtection: 'prefer' });
  const now = Date.now();
  // A second of tolerance, because the request takes time.
  t.deepEqual(await answerTo(server, created(now + 59_000)), [200, 'here']);
  t.deepEqual(await answerTo(server, created(now)), [200, 'here']);
  const stale = [401, 'stale_request'] as const;
  t.deepEqual(await answerTo(server, created(Date.now() + 70_000)), [...stale]);
  t.deepEqual(await answerTo(server, created(now - 70_000)), [...stale]);
  t.deepEqual(await answerTo(server, created(now - 20_000)), [...stale], 'before the start');
  t.deepEqual(await answerTo(server, created(0)), [...stale]);
  for (const text of ['', '-1', '1e3', '1.5', 'now', '9'.repeat(16), `${now}, ${now}`]) {
    t.deepEqual(await answerTo(server, created(text)), [401, 'invalid_created'], text);
  }
});

test('maxClockDifference limits the clock difference', async (t) => {
  const options = { replayProtection: 'require', maxClockDifference: 600_000 } as const;
  const server = await serve(t, modules, options);
  t.deepEqual(await answerTo(server, created(Date.now() + 590_000)), [200, 'here']);
  t.deepEqual(await answerTo(server, created(Date.now() + 620_000)), [401, 'stale_request']);
});

test('a request without a timestamp is refused only if one is required', async (t) => {
  const off = await serve(t, modules);
  const prefer = await serve(t, modules, { replayProtection: 'prefer' });
  const require = await serve(t, modules, { replayProtection: 'require' });
  for (const server of [off, prefer]) t.deepEqual(await answerTo(server, {}), [200, 'here']);
  t.deepEqual(await answerTo(require, {}), [401, 'missing_created']);
  t.deepEqual(await answerTo(off, created('whenever', 'anybody')), [200, 'here']);
  const unsigned = {
    ...created('whenever'),
    signed: ['accept', 'content-length', 'content-type', 'digest', 'x-request-id'],
  };
  t.deepEqual(await answerTo(prefer, unsigned), [200, 'here']);
  t.deepEqual(await answerTo(require, unsigned), [401, 'missing_created']);
});

test('requests for another audience are refused', async (t) => {
  const options = { replayProtection: 'require', audience: ['billing', 'billing-2'] } as const;
  const server = await serve(t, modules, options);
  const now = (): number => Date.now();
  t.deepEqual(await answerTo(server, created(now(), 'billing')), [200, 'here']);
  t.deepEqual(await answerTo(server, created(now(), 'billing-2')), [200, 'here']);
  t.deepEqual(await answerTo(server, created(now(), 'Billing')), [401, 'wrong_audience']);
  t.deepEqual(await answerTo(server, created(now(), 'shipping')), [401, 'wrong_audience']);
  t.deepEqual(await answerTo(server, created(now())), [401, 'missing_audience']);
  const prefer = await serve(t, modules, { replayProtection: 'prefer', audience: 'billing' });
  t.deepEqual(await answerTo(prefer, created(now())), [200, 'here']);
  t.deepEqual(await answerTo(prefer, created(now(), 'shipping')), [401, 'wrong_audience']);
  const client = connect(t, prefer, { replayProtection: true, audience: 'shipping' });
  await t.throwsAsync(client.call('echo', 'echo'), {
    instanceOf: RemoteError,
    message: /wrong_audience/,
  });
});

test('an audience without replay protection is an error', async (t) => {
  const error = await t.throwsAsync(
    startClearServer(secret, modules, { audience: 'billing', host: '127.0.0.1', port: 0 }),
    { instanceOf: OptionError },
  );
  t.is(error!.option, 'audience');
});

test('a server refuses requests when its replay memory is full', async (t) => {
  const server = await serve(t, modules, { replayProtection: 'prefer', replayCapacity: 2 });
  for (let number = 0; number < 2; number++) {
    t.deepEqual(await answerTo(server, created(Date.now())), [200, 'here']);
  }
  t.deepEqual(await answerTo(server, created(Date.now())), [503, 'replay_memory_full']);
  const bytes = requestBytes(signedRequest(secret, created(Date.now())));
  const { answers } = await exchangeRaw(server.port, bytes);
  const seconds = Number(answers[0]!.headers.get('retry-after'));
  t.true(seconds >= 1 && seconds <= 121, String(seconds));
  t.deepEqual(await answerTo(server, {}), [200, 'here'], 'what need not be remembered is taken');
});

test('a retry is a new request', async (t) => {
  let calls = 0;
  const server = await serve(t, { echo: { echo: () => ++calls } }, { replayProtection: 'require' });
  const { url } = await tcpServer(t, (socket, number) => {
    const upstream = connectTcp(server.port, '127.0.0.1');
    t.teardown(() => upstream.destroy());
    upstream.on('error', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
    socket.pipe(upstream);
    if (number === 0) upstream.once('data', () => socket.destroy());
    else upstream.pipe(socket);
  });
  const client = connect(t, { url }, { replayProtection: true, idempotent: true });
  t.is(await client.call('echo', 'echo'), 2);
  t.is(calls, 2);
});

withErlang("Erlang accepts clients' timestamps, and servers accept Erlang's", async (t) => {
  const erlang = await startErlangServer({ secret });
  t.teardown(() => erlang.close());
  const client = new Client({
    url: erlang.url,
    secret,
    replayProtection: true,
    audience: 'erlang',
    ...PATIENT,
  });
  t.teardown(() => client.close());
  t.is(await client.call('peer', 'echo', ['text']), 'text');

  const prefer = await serve(t, modules, { replayProtection: 'prefer', audience: 'node' });
  const require = await serve(t, modules, { replayProtection: 'require' });
  const peer = startErlangClient({ secret });
  t.teardown(() => peer.close());
  t.like(await peer.call(prefer.url, 'echo', 'echo', '[]'), { ok: '<<"here">>' });
  const refused = await peer.call(require.url, 'echo', 'echo', '[]');
  t.false('ok' in refused, JSON.stringify(refused));
  t.true(JSON.stringify(refused).includes('missing_created'), JSON.stringify(refused));
});
